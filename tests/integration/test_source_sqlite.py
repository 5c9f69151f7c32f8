"""SQLite is read by what its tables declare, in one transaction, and any other value is stated."""

import sqlite3
import threading
import time
from decimal import Decimal
from pathlib import Path

import pytest

from staging.core.errors import (
    InvalidValue,
    SourceChanged,
    SourceUnavailable,
    SourceUnsupported,
    Unrepresentable,
)
from staging.core.manifest import Snapshot, SnapshotClass
from staging.core.source_spec import Filter, SourceSpec
from staging.sources.connection import Connection
from staging.sources.source import ReadCancelled
from staging.sources.sqlite.sqlite_source import SqliteSource
from tests.source_reading import Staged, request, sizing, stage


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "app.db"


def run(path: Path, *statements: str) -> None:
    with sqlite3.connect(path) as database:
        for statement in statements:
            database.execute(statement)
    database.close()


def source(path: Path, **changes: object) -> SqliteSource:
    return SqliteSource(Connection("app", "sqlite", path=path, **changes))


def staged(path: Path, table: str = "t", policy: str = "fail", **changes: object) -> Staged:
    return stage(source(path), SourceSpec("app", table=table, **changes), policy=policy)


DECLARED = [
    ("INTEGER", "-9223372036854775808", "int64", -(2**63)),
    ("bigint unsigned", "7", "int64", 7),
    ("REAL", "0.1", "double", 0.1),
    ("double precision", "3", "double", 3.0),
    ("VARCHAR(20)", "'ünï \U0001f388'", "string", "ünï \U0001f388"),
    ("DATETIME", "'2020-02-29 01:02:03'", "string", "2020-02-29 01:02:03"),
    ("DATETIME", "1582938123", "string", "1582938123"),
    ("BOOLEAN", "1", "bool", True),
    ("BLOB", "x'00ff'", "binary", b"\x00\xff"),
    ("DECIMAL(10,2)", "'12.50'", "decimal128(10, 2)", Decimal("12.50")),
    ("NUMERIC(10, 2)", "0.1", "decimal128(10, 2)", Decimal("0.10")),
    ("NUMERIC", "1.5", "string", "1.5"),
    ("JSON", "'{\"a\": 1}'", "string", '{"a": 1}'),
    ("", "'any'", "string", "any"),
]


@pytest.mark.parametrize(("declared", "value", "kind", "expected"), DECLARED)
def test_a_value_of_the_declared_type_is_staged_as_it_is(path, declared, value, kind, expected):
    run(path, f"CREATE TABLE t (v {declared})", f"INSERT INTO t VALUES ({value}), (NULL)")

    table = staged(path).table
    assert (str(table.schema.field("v").type), table["v"].to_pylist()) == (kind, [expected, None])


STRAY = [
    ("INTEGER", "'secret'"),
    ("INTEGER", "1.5"),
    ("REAL", "'secret'"),
    ("REAL", "x'00'"),
    ("TEXT", "x'00'"),
    ("TEXT", "CAST(x'ff' AS TEXT)"),
    ("BLOB", "'secret'"),
    ("BOOLEAN", "2"),
    ("DECIMAL(4,1)", "0.25"),
    ("DECIMAL(4,1)", "1000.5"),
]


@pytest.mark.parametrize(("declared", "value"), STRAY)
def test_a_value_of_another_type_fails_the_read_or_is_counted_as_null(path, declared, value):
    run(path, f"CREATE TABLE t (v {declared})", f"INSERT INTO t VALUES ({value}), (NULL)")

    with pytest.raises(Unrepresentable, match="column 'v' holds at least 1 values") as raised:
        staged(path)
    assert "secret" not in raised.value.detail
    found = staged(path, policy="null")
    assert (found.table["v"].to_pylist(), found.nulled) == ([None, None], {"v": 1})


def test_one_transaction_reads_all_whatever_is_written_meanwhile(path):
    run(path, "PRAGMA journal_mode = WAL", "CREATE TABLE t (id INTEGER, filler TEXT)")
    with sqlite3.connect(path) as database:
        database.executemany(
            "INSERT INTO t VALUES (?, ?)", ((n, "x" * 100) for n in range(100_000))
        )
    spec = SourceSpec("app", table="t")
    split = source(path).split(spec, None, sizing(1 << 20))

    with source(path).read(request(spec, split)) as reading:
        batches = iter(reading)
        rows = next(batches).num_rows
        run(path, "DELETE FROM t WHERE id % 2 = 0", "INSERT INTO t VALUES (-1, 'new')")
        rows += sum(batch.num_rows for batch in batches)

    assert rows == 100_000
    assert (split.snapshot, split.bounds) == (Snapshot(SnapshotClass.SINGLE_READER), ({},))


def test_reading_writes_nothing_beside_the_file(path):
    run(path, "CREATE TABLE t (v)", "INSERT INTO t VALUES (1)")
    before = path.read_bytes()

    staged(path)

    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_view_and_generated_columns_are_read(path):
    run(
        path,
        "CREATE TABLE t (id INTEGER, twice INTEGER AS (id * 2))",
        "INSERT INTO t (id) VALUES (1), (2)",
        "CREATE VIEW v AS SELECT id, id + 1 AS next FROM t",
    )

    assert staged(path).table.to_pydict() == {"id": [1, 2], "twice": [2, 4]}
    assert staged(path, "v").table.to_pydict() == {"id": [1, 2], "next": ["2", "3"]}


def test_a_name_is_found_whatever_it_contains(path):
    name = "a\"b; DROP TABLE t; 'c' 💥"
    quoted = '"' + name.replace('"', '""') + '"'
    run(path, f"CREATE TABLE {quoted} ({quoted} TEXT)", f"INSERT INTO {quoted} VALUES ('x')")

    found = staged(path, name, filters=(Filter(name, "=", "x"),))
    assert found.table.to_pydict() == {name: ["x"]}


def test_a_dropped_table_or_column_is_a_change_and_an_added_column_is_not(path):
    run(path, "CREATE TABLE t (a INTEGER, b INTEGER)", "INSERT INTO t VALUES (1, 2)")
    spec = SourceSpec("app", table="t")
    split = source(path).split(spec, None, sizing(1 << 20))

    run(path, "ALTER TABLE t ADD c INTEGER")
    with source(path).read(request(spec, split)) as reading:
        assert [batch.to_pydict() for batch in reading] == [{"a": [1], "b": [2]}]
    for change in ("ALTER TABLE t DROP COLUMN b", "DROP TABLE t"):
        run(path, change)
        with pytest.raises(SourceChanged), source(path).read(request(spec, split)) as reading:
            list(reading)


def test_a_query_is_one_select_and_only_where_it_is_allowed(path):
    run(path, "CREATE TABLE t (v INTEGER)", "INSERT INTO t VALUES (1)")
    spec = SourceSpec("app", query="SELECT v, v + 1 AS w FROM t;")

    with pytest.raises(InvalidValue, match="does not allow queries"):
        source(path).describe(spec)
    allowed = source(path, allow_query=True)
    assert stage(allowed, spec).table.to_pydict() == {"v": ["1"], "w": ["2"]}
    for query in (
        "DELETE FROM t",
        "SELECT 1; DROP TABLE t",
        "SELECT 1) ; DROP TABLE t; --",
        "nope",
    ):
        with pytest.raises(InvalidValue):
            allowed.describe(SourceSpec("app", query=query))


def test_a_file_that_is_not_there_or_no_database_is_said_to_be_so(path):
    with pytest.raises(SourceUnavailable, match="the file of connection app is not there"):
        source(path).describe(SourceSpec("app", table="t"))
    assert not path.exists()

    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(SourceUnsupported, match="is no SQLite database"):
        source(path).describe(SourceSpec("app", table="t"))


def test_a_cancel_ends_a_query_that_has_not_given_a_row(path):
    run(path, "CREATE TABLE t (v INTEGER)")
    numbers = "WITH RECURSIVE n(v) AS (SELECT 1 UNION ALL SELECT v + 1 FROM n)"
    endless = f"{numbers} SELECT v FROM n WHERE v < 0"
    spec = SourceSpec("app", query=endless)
    reader = source(path, allow_query=True)
    reading = reader.read(request(spec, reader.split(spec, None, sizing(1 << 20))))
    outcome: list[Exception] = []

    def consume() -> None:
        try:
            list(reading)
        except ReadCancelled as error:
            outcome.append(error)

    consumer = threading.Thread(target=consume)
    consumer.start()
    time.sleep(0.3)
    reading.cancel()
    consumer.join(60)

    assert [type(each) for each in outcome] == [ReadCancelled]
