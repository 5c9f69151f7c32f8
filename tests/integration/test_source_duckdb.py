"""A DuckDB file is read exactly, in parallel, as the one file that was planned."""

import datetime
import subprocess
import sys
import threading
import time
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from staging.core.errors import (
    InvalidValue,
    SourceChanged,
    SourceError,
    SourceUnavailable,
    SourceUnsupported,
    Unrepresentable,
)
from staging.core.manifest import SnapshotClass
from staging.core.source_spec import Filter, SourceSpec
from staging.sources.connection import Connection
from staging.sources.duckdb.duckdb_source import DuckdbSource
from staging.sources.source import ReadCancelled
from tests.source_reading import Staged, request, sizing, stage

UTC = datetime.UTC
_UUID = "6f1c2c0a-9d3b-4e0e-8b3c-2f0a4c1d2e3f"


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "app.duckdb"


def run(path: Path, *statements: str) -> None:
    with duckdb.connect(str(path)) as database:
        for statement in statements:
            database.execute(statement)


def source(path: Path, **changes: object) -> DuckdbSource:
    return DuckdbSource(Connection("app", "duckdb", path=path, **changes))


def staged(path: Path, table: str = "t", policy: str = "fail", **asked: object) -> Staged:
    return stage(source(path), SourceSpec("app", table=table, **asked), policy=policy)


DECLARED = [
    ("BOOLEAN", "true", "bool", True),
    ("TINYINT", "-128", "int8", -128),
    ("UTINYINT", "255", "uint8", 255),
    ("SMALLINT", "-32768", "int16", -32768),
    ("USMALLINT", "65535", "uint16", 65535),
    ("INTEGER", "2147483647", "int32", 2147483647),
    ("UINTEGER", "4294967295", "uint32", 2**32 - 1),
    ("BIGINT", "-9223372036854775808", "int64", -(2**63)),
    ("UBIGINT", "18446744073709551615", "uint64", 2**64 - 1),
    ("HUGEINT", str(2**127 - 1), "string", str(2**127 - 1)),
    ("UHUGEINT", str(2**128 - 1), "string", str(2**128 - 1)),
    ("BIGNUM", f"'{10**50}'", "string", str(10**50)),
    ("FLOAT", "1.5", "float", 1.5),
    ("DOUBLE", "0.1", "double", 0.1),
    ("DOUBLE", "'-infinity'", "double", float("-inf")),
    ("DECIMAL(10,2)", "12.5", "decimal128(10, 2)", Decimal("12.50")),
    ("DECIMAL(38,0)", str(1 - 10**38), "decimal128(38, 0)", Decimal(1 - 10**38)),
    ("DECIMAL(38,38)", f"0.{'0' * 37}1", "decimal128(38, 38)", Decimal("1e-38")),
    ("VARCHAR", "'ünï \U0001f388'", "string", "ünï \U0001f388"),
    ("VARCHAR", "''", "string", ""),
    ("VARCHAR", "'a' || chr(0) || 'b'", "string", "a\0b"),
    ("BLOB", "'\\x00\\xFF'", "binary", b"\x00\xff"),
    ("DATE", "'2020-02-29'", "date32[day]", datetime.date(2020, 2, 29)),
    ("TIME", "'23:59:59.999999'", "time64[us]", datetime.time(23, 59, 59, 999_999)),
    (
        "TIMESTAMP",
        "'2020-02-29 01:02:03.456789'",
        "timestamp[us]",
        datetime.datetime(2020, 2, 29, 1, 2, 3, 456_789),  # noqa: DTZ001 - has no zone
    ),
    (
        "TIMESTAMP_S",
        "'2020-02-29 01:02:03'",
        "timestamp[ms]",
        datetime.datetime(2020, 2, 29, 1, 2, 3),  # noqa: DTZ001 - has no zone
    ),
    (
        "TIMESTAMP_MS",
        "'2020-02-29 01:02:03.456'",
        "timestamp[ms]",
        datetime.datetime(2020, 2, 29, 1, 2, 3, 456_000),  # noqa: DTZ001 - has no zone
    ),
    (
        "TIMESTAMPTZ",
        "'2020-02-29 01:02:03+02'",
        "timestamp[us, tz=UTC]",
        datetime.datetime(2020, 2, 28, 23, 2, 3, tzinfo=UTC),
    ),
    ("TIMETZ", "'12:00:00+02'", "string", "12:00:00+02"),
    ("INTERVAL", "'1 year 2 days 03:04:05.5'", "string", "1 year 2 days 03:04:05.5"),
    ("UUID", f"'{_UUID}'", "string", _UUID),
    ("BIT", "'101'", "string", "101"),
    ("ENUM('sad', 'ok')", "'ok'", "string", "ok"),
    ("JSON", "'{\"a\":  1.0}'", "string", '{"a":  1.0}'),
    ("INTEGER[]", "[1, NULL, 3]", "list<item: int32>", [1, None, 3]),
    ("VARCHAR[]", "[]", "list<item: string>", []),
    ("DOUBLE[2]", "[0.5, 1]", "list<item: double>", [0.5, 1.0]),
    ("INTEGER[][]", "[[1], [2, 3]]", "string", "[[1], [2, 3]]"),
    ("DATE[]", "[DATE '2020-01-01', DATE 'infinity']", "string", "[2020-01-01, infinity]"),
    ("STRUCT(a INTEGER, b VARCHAR)", "{'a': 1, 'b': 'x y'}", "string", "{'a': 1, 'b': x y}"),
    ("MAP(VARCHAR, INTEGER)", "MAP {'k': 1}", "string", "{k=1}"),
    ("UNION(i INTEGER, s VARCHAR)", "'x'", "string", "x"),
]
STRAY = [
    ("DATE", "'infinity'"),
    ("DATE", "'-infinity'"),
    ("TIME", "'24:00:00'"),
    ("TIMESTAMP", "'infinity'"),
    ("TIMESTAMP_S", "TIMESTAMP '-infinity'"),
    ("TIMESTAMP_MS", "TIMESTAMP 'infinity'"),
    ("TIMESTAMP_NS", "TIMESTAMP 'infinity'"),
    ("TIMESTAMPTZ", "'-infinity'"),
]


@pytest.mark.parametrize(("declared", "value", "kind", "expected"), DECLARED)
def test_a_value_of_the_declared_type_is_staged_as_it_is(path, declared, value, kind, expected):
    run(path, f"CREATE TABLE t (v {declared})", f"INSERT INTO t VALUES ({value}), (NULL)")

    table = staged(path).table
    assert (str(table.schema.field("v").type), table["v"].to_pylist()) == (kind, [expected, None])


def test_nanoseconds_are_kept(path):
    run(path, "CREATE TABLE t AS SELECT TIMESTAMP_NS '2020-02-29 01:02:03.123456789' AS v")

    values = staged(path).table["v"]
    assert (str(values.type), values[0].value) == ("timestamp[ns]", 1582938123123456789)


@pytest.mark.parametrize(("declared", "value"), STRAY)
def test_a_value_without_a_form_fails_the_read_or_is_counted_as_null(path, declared, value):
    run(
        path,
        f"CREATE TABLE t (id INTEGER, v {declared})",
        f"INSERT INTO t VALUES (1, {value}), (2, NULL)",
    )

    with pytest.raises(Unrepresentable, match="column 'v' holds at least 1 value "):
        staged(path)
    found = staged(path, policy="null")
    assert (found.table["v"].to_pylist(), found.nulled) == ([None, None], {"v": 1})
    left_out = staged(path, filters=(Filter("id", "=", 2),))
    assert left_out.table["v"].to_pylist() == [None]


FILTERS = [
    ("DECIMAL(38,30)", ["1e-30", "0"], ("=", "1e-30"), [Decimal("1e-30")]),
    ("FLOAT", ["0.1", "0.2"], ("=", 0.1), [0.10000000149011612]),
    ("DOUBLE", ["'nan'", "1"], (">", 0), [1.0]),
    ("HUGEINT", [str(2**70), "1"], ("=", str(2**70)), [str(2**70)]),
    ("UUID", [f"'{_UUID}'", "uuid()"], ("=", _UUID), [_UUID]),
    ("DATE", ["'2020-01-01'", "'infinity'"], ("<", "2021-01-01"), [datetime.date(2020, 1, 1)]),
]


@pytest.mark.parametrize(("declared", "values", "asked", "expected"), FILTERS)
def test_a_filter_compares_as_the_service_promises(path, declared, values, asked, expected):
    rows = ", ".join(f"({each})" for each in values)
    run(path, f"CREATE TABLE t (v {declared})", f"INSERT INTO t VALUES {rows}")

    found = staged(path, filters=(Filter("v", *asked),))
    assert found.table["v"].to_pylist() == expected


def test_a_table_is_cut_into_row_ranges_that_hold_each_row_once(path):
    run(
        path,
        "CREATE TABLE t AS SELECT range AS id, sha256(range::VARCHAR) AS body FROM range(120000)",
        "DELETE FROM t WHERE id % 3 = 0 OR id < 20000",
    )

    found = staged(path)
    assert len(found.partition_rows) > 2
    expected = [n for n in range(20_000, 120_000) if n % 3]
    assert sorted(found.table["id"].to_pylist()) == expected
    assert found.split.snapshot.snapshot_class is SnapshotClass.PINNED


def test_a_table_with_a_column_named_rowid_is_read_whole(path):
    run(path, "CREATE TABLE t AS SELECT 7 AS rowid, range AS id FROM range(5)")

    assert sorted(staged(path).table["id"].to_pylist()) == [0, 1, 2, 3, 4]


def test_schemas_views_and_odd_names_are_found(path):
    run(
        path,
        "CREATE SCHEMA sales",
        "CREATE TABLE sales.orders AS SELECT 1 AS id",
        "CREATE VIEW v AS SELECT id + 1 AS id FROM sales.orders",
        'CREATE TABLE "odd.name; --" AS SELECT 3 AS id',
    )

    for name, value in (("sales.orders", 1), ("v", 2), ("odd.name; --", 3), ('"v"', 2)):
        assert staged(path, name).table["id"].to_pylist() == [value]


def test_a_view_leads_to_no_other_file(path, tmp_path):
    (tmp_path / "secret.csv").write_text("a\n1\n")
    run(path, f"CREATE VIEW v AS SELECT * FROM read_csv('{tmp_path}/secret.csv')")

    with pytest.raises(SourceUnsupported, match="may not read other files"):
        source(path).describe(SourceSpec("app", table="v"))


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1) AS x; CREATE TABLE u (i int); SELECT * FROM (SELECT 1",
        "DROP TABLE t",
        "SELECT * FROM read_text('/etc/hostname')",
        "COPY t TO '/tmp/stolen.csv'",
    ],
)
def test_a_query_is_one_select_over_its_own_tables(path, query):
    run(path, "CREATE TABLE t AS SELECT 1 AS id")
    asking = source(path, allow_query=True)

    assert stage(asking, SourceSpec("app", query="FROM t")).table["id"].to_pylist() == [1]
    with pytest.raises(InvalidValue) as raised:
        asking.describe(SourceSpec("app", query=query))
    assert [each.pointer for each in raised.value.errors] == ["#/source/query"]


def test_a_file_that_is_written_after_planning_fails_the_read(path):
    run(path, "CREATE TABLE t AS SELECT range AS id FROM range(10)")
    spec = SourceSpec("app", table="t")
    split = source(path).split(spec, None, sizing(1 << 20))
    run(path, "INSERT INTO t VALUES (99)")

    with (
        pytest.raises(SourceChanged, match="changed after planning"),
        source(path).read(request(spec, split)) as reading,
    ):
        list(reading)


def test_a_file_with_a_writer_is_said_to_have_one(path):
    run(path, "CREATE TABLE t AS SELECT 1 AS id")
    hold = f"import duckdb; d = duckdb.connect({str(path)!r}); print('open', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        with pytest.raises(SourceUnavailable, match="has a writer"):
            source(path).describe(SourceSpec("app", table="t"))
        writer.communicate(b"\n")

    assert source(path).describe(SourceSpec("app", table="t")).names == ["id"]


def test_a_file_that_is_not_there_or_no_database_is_said_to_be_so(path):
    with pytest.raises(SourceUnavailable, match="is not there"):
        source(path).describe(SourceSpec("app", table="t"))
    path.write_text("no database, but long enough to be looked at " * 400)
    with pytest.raises(SourceUnsupported, match="is no DuckDB database"):
        source(path).describe(SourceSpec("app", table="t"))


def test_a_damaged_file_never_gives_part_of_its_rows(path):
    run(path, "CREATE TABLE t AS SELECT sha256(range::VARCHAR) AS body FROM range(60000)")
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.write_bytes(whole[:middle] + b"\xa5" * 4096 + whole[middle + 4096 :])

    with pytest.raises(SourceError):
        staged(path)


def test_a_cancel_ends_a_query_that_has_not_given_a_row(path):
    run(
        path,
        "CREATE VIEW slow AS SELECT count(*) AS n FROM range(100000) a, range(10000000) b"
        " WHERE (a.range * b.range) % 7 = 3",
    )
    spec = SourceSpec("app", table="slow")
    split = source(path).split(spec, None, sizing(1 << 20))
    began = time.monotonic()
    reading = source(path).read(request(spec, split))
    threading.Timer(0.5, reading.cancel).start()

    with pytest.raises(ReadCancelled), reading:
        list(reading)
    assert time.monotonic() - began < 30


def test_reading_writes_nothing_beside_the_file(path):
    run(path, "CREATE TABLE t AS SELECT range AS id FROM range(1000)")
    before = {each: each.stat().st_mtime_ns for each in path.parent.iterdir()}

    staged(path)
    assert {each: each.stat().st_mtime_ns for each in path.parent.iterdir()} == before
