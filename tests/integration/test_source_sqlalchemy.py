"""Any other database is read through its SQLAlchemy dialect, as shown on Firebird."""

import datetime
import math
import sqlite3
import threading
import time
import tracemalloc
from dataclasses import replace
from decimal import Decimal

import pytest

from staging.core.errors import (
    SourceAuth,
    SourceChanged,
    SourceUnavailable,
    SourceUnsupported,
    UnknownColumn,
    UnknownTable,
    Unrepresentable,
)
from staging.core.manifest import Snapshot, SnapshotClass
from staging.core.source_spec import Filter, SourceSpec
from staging.local.ports import free_port
from staging.sources.connection import Connection
from staging.sources.source import ReadCancelled
from staging.sources.sqlalchemy.sqlalchemy_source import SqlalchemySource
from tests.firebird_file import FirebirdFile
from tests.source_reading import Staged, request, sizing, stage


@pytest.fixture
def database(tmp_path) -> FirebirdFile:
    return FirebirdFile(tmp_path / "other.fdb")


def staged(
    database: FirebirdFile, table: str = "T", policy: str = "fail", **changes: object
) -> Staged:
    spec = SourceSpec("other", table=table, **changes)
    return stage(SqlalchemySource(database.connection), spec, policy=policy)


DECLARED = [
    ("SMALLINT", "-32768", "int64", -(2**15)),
    ("INTEGER", "2147483647", "int64", 2**31 - 1),
    ("BIGINT", "-9223372036854775808", "int64", -(2**63)),
    ("BIGINT", "9223372036854775807", "int64", 2**63 - 1),
    ("BOOLEAN", "FALSE", "bool", False),
    ("FLOAT", "0.1", "double", 0.10000000149011612),
    ("DOUBLE PRECISION", "0.1", "double", 0.1),
    ("DOUBLE PRECISION", "-1.7976931348623157e308", "double", -1.7976931348623157e308),
    ("NUMERIC(18,4)", "-99999999999999.9999", "decimal128(18, 4)", Decimal("-99999999999999.9999")),
    ("DECIMAL(18,18)", "0.000000000000000001", "decimal128(18, 18)", Decimal("1e-18")),
    ("NUMERIC(9)", "7", "decimal128(9, 0)", Decimal(7)),
    ("VARCHAR(20)", "'ünï \U0001f388  '", "string", "ünï \U0001f388  "),
    ("VARCHAR(20)", "''", "string", ""),
    ("VARCHAR(20) CHARACTER SET WIN1252", "'é€'", "string", "é€"),
    ("CHAR(4)", "'ü\U0001f388'", "string", "ü\U0001f388  "),
    ("VARCHAR(4) CHARACTER SET OCTETS", "x'00ff'", "binary", b"\x00\xff"),
    ("CHAR(4) CHARACTER SET OCTETS", "x'00ff'", "binary", b"\x00\xff\x00\x00"),
    ("BLOB", "x'00ff'", "binary", b"\x00\xff"),
    ("BLOB", "x''", "binary", b""),
    ("BLOB SUB_TYPE TEXT", "'ünï \U0001f388'", "string", "ünï \U0001f388"),
    ("DATE", "'0001-01-01'", "date32[day]", datetime.date(1, 1, 1)),
    ("DATE", "'9999-12-31'", "date32[day]", datetime.date(9999, 12, 31)),
    ("TIME", "'23:59:59.9999'", "time64[us]", datetime.time(23, 59, 59, 999_900)),
    (
        "TIMESTAMP",
        "'1969-12-31 23:59:59.1234'",
        "timestamp[us]",
        datetime.datetime(1969, 12, 31, 23, 59, 59, 123_400),  # noqa: DTZ001 - has no zone
    ),
    (
        "TIMESTAMP",
        "'9999-12-31 23:59:59.9999'",
        "timestamp[us]",
        datetime.datetime(9999, 12, 31, 23, 59, 59, 999_900),  # noqa: DTZ001 - has no zone
    ),
]


@pytest.mark.parametrize(("declared", "value", "kind", "expected"), DECLARED)
def test_a_value_is_staged_as_it_is(database, declared, value, kind, expected):
    database.run(
        f"CREATE TABLE t (v {declared})",
        f"INSERT INTO t VALUES ({value})",
        "INSERT INTO t VALUES (NULL)",
    )

    table = staged(database).table
    assert (str(table.schema.field("V").type), table["V"].to_pylist()) == (kind, [expected, None])


def test_a_float_that_is_no_number_stays_one(database):
    database.run("CREATE TABLE t (v DOUBLE PRECISION)", "INSERT INTO t VALUES (LOG(1, 1))")

    assert math.isnan(staged(database).table["V"][0].as_py())


STRAY = [
    ("NUMERIC(4,1)", "3276.7"),
    ("DECIMAL(9,2)", "10000000.01"),
]
"""Firebird keeps what its integer of 2, 4 or 8 bytes holds, also more digits than declared."""


@pytest.mark.parametrize(("declared", "value"), STRAY)
def test_a_value_without_a_form_fails_the_read_or_is_counted_as_null(database, declared, value):
    database.run(
        f"CREATE TABLE t (v {declared})",
        f"INSERT INTO t VALUES ({value})",
        "INSERT INTO t VALUES (NULL)",
    )

    with pytest.raises(Unrepresentable, match="column 'V' holds at least 1 value ") as raised:
        staged(database)
    assert value not in raised.value.detail
    found = staged(database, policy="null")
    assert (found.table["V"].to_pylist(), found.nulled) == ([None, None], {"V": 1})


def test_of_what_a_filter_leaves_out_nothing_is_counted_unless_the_filter_asks_about_it(database):
    database.run(
        "CREATE TABLE t (id INTEGER, v NUMERIC(4,1))",
        "INSERT INTO t VALUES (1, 3276.7)",
        "INSERT INTO t VALUES (2, 1.5)",
    )

    kept = staged(database, filters=(Filter("ID", "in", [2]),))
    assert kept.table.to_pydict() == {"ID": [2], "V": [Decimal("1.5")]}
    asked = (Filter("V", "<", 9),)
    with pytest.raises(Unrepresentable):
        staged(database, filters=asked)
    with pytest.raises(Unrepresentable):
        staged(database, columns=("ID",), filters=asked)
    found = staged(database, policy="null", filters=asked)
    assert (found.table["ID"].to_pylist(), found.nulled) == ([2], {"V": 1})


def test_a_text_that_the_driver_cannot_read_fails_the_read(database):
    database.run(
        "CREATE TABLE t (id INTEGER, v VARCHAR(9) CHARACTER SET NONE)",
        "INSERT INTO t VALUES (1, 'secret' || x'ff')",
    )

    with pytest.raises(Unrepresentable, match="the driver cannot read a value") as raised:
        staged(database)
    assert "secret" not in raised.value.detail
    assert staged(database, columns=("ID",)).table["ID"].to_pylist() == [1]


def test_a_value_that_a_small_column_cannot_hold_may_be_compared_with(database):
    database.run("CREATE TABLE t (v SMALLINT)", "INSERT INTO t VALUES (7)")

    assert staged(database, filters=(Filter("V", "<", 2**40),)).table["V"].to_pylist() == [7]
    assert staged(database, filters=(Filter("V", ">", 2**40),)).table["V"].to_pylist() == []


def test_names_are_those_of_the_database_with_their_capital_letters(database):
    database.run(
        "CREATE TABLE orders (id INTEGER, Note VARCHAR(9))",
        'CREATE TABLE "orders" ("id" INTEGER, "Id" INTEGER, "select" INTEGER, id INTEGER)',
        "INSERT INTO orders VALUES (1, 'a')",
        'INSERT INTO "orders" VALUES (2, 3, 4, 5)',
    )

    assert staged(database, "ORDERS").table.to_pydict() == {"ID": [1], "NOTE": ["a"]}
    lower = {"id": [2], "Id": [3], "select": [4], "ID": [5]}
    assert staged(database, "orders").table.to_pydict() == lower
    assert staged(database, '"orders"').table.to_pydict() == lower
    kept = staged(database, "orders", filters=(Filter("ID", "=", 5), Filter("id", "=", 2)))
    assert kept.table.num_rows == 1
    with pytest.raises(UnknownTable, match="; nearest: ORDERS, orders"):
        staged(database, "Orders")


@pytest.mark.parametrize(
    "name",
    [
        'T"; DROP TABLE T; --',
        "T; DROP TABLE T",
        "T\0",
        "\U0001f388",
        "T' OR '1'='1",
        "x.T",
        "%s:a?",
    ],
)
def test_a_name_that_is_not_there_is_unknown_whatever_it_contains(database, name):
    database.run("CREATE TABLE t (v INTEGER)", "INSERT INTO t VALUES (1)")

    with pytest.raises(UnknownTable):
        staged(database, name)
    with pytest.raises(UnknownColumn):
        staged(database, columns=(name,))
    with pytest.raises(UnknownColumn):
        staged(database, filters=(Filter(name, "=", 1),))
    assert staged(database).table["V"].to_pylist() == [1]


def test_a_name_is_found_whatever_it_contains(database):
    name = "a\"b; DROP %s :c ? 'd' ☃"
    quoted = '"' + name.replace('"', '""') + '"'
    database.run(f"CREATE TABLE {quoted} ({quoted} INTEGER)", f"INSERT INTO {quoted} VALUES (1)")

    found = staged(database, name, filters=(Filter(name, "=", 1),))
    assert found.table.to_pydict() == {name: [1]}


def test_a_view_is_read_and_a_number_that_it_computes_is_stated(database):
    database.run(
        "CREATE TABLE t (id INTEGER, price NUMERIC(9,2))",
        "INSERT INTO t VALUES (1, 1.25)",
        "CREATE VIEW v AS SELECT id + 1 AS n, CAST(price * 2 AS NUMERIC(9,2)) AS p FROM t",
        "CREATE VIEW w AS SELECT price * price AS p FROM t",
    )

    assert staged(database, "V").table.to_pydict() == {"N": [2], "P": [Decimal("2.50")]}
    with pytest.raises(Unrepresentable, match="column 'P' holds at least 1 value that int64"):
        staged(database, "W")


def test_one_transaction_reads_all_whatever_is_written_meanwhile(database):
    fill(database, 100_000)
    spec = SourceSpec("other", table="T")
    source = SqlalchemySource(database.connection)
    split = source.split(spec, None, sizing(1 << 20))

    with source.read(request(spec, split)) as reading:
        batches = iter(reading)
        rows = next(batches).num_rows
        database.run("DELETE FROM t WHERE MOD(id, 2) = 0", "INSERT INTO t VALUES (-1, 'new')")
        rows += sum(batch.num_rows for batch in batches)

    assert rows == 100_000
    assert (split.snapshot, split.bounds) == (Snapshot(SnapshotClass.SINGLE_READER), ({},))


def fill(database: FirebirdFile, rows: int) -> None:
    """Make T of so many rows, ten thousand at most being numbered at a time."""
    numbers = (
        "WITH RECURSIVE n(v) AS (SELECT 0 FROM rdb$database UNION ALL"
        " SELECT v + 1 FROM n WHERE v < 99)"
        " SELECT a.v * 10000 + b.v * 100 + c.v AS id FROM n a CROSS JOIN n b CROSS JOIN n c"
    )
    database.run(
        "CREATE TABLE t (id INTEGER, filler VARCHAR(100))",
        f"INSERT INTO t SELECT FIRST {rows} id, LPAD('', 100, 'x') FROM ({numbers}) ORDER BY id",
    )


def test_many_rows_and_large_values_are_read_in_bounded_memory(database):
    fill(database, 60_000)
    database.run("CREATE TABLE large (v BLOB)")
    database.insert("INSERT INTO large VALUES (?)", ((bytes(1 << 20),) for _ in range(40)))

    for table, rows, most_bytes in (("T", 60_000, 12 << 20), ("LARGE", 40, 24 << 20)):
        spec = SourceSpec("other", table=table)
        source = SqlalchemySource(database.connection)
        split = source.split(spec, None, sizing(1 << 20))
        tracemalloc.start()
        with source.read(request(spec, split)) as reading:
            read = sum(batch.num_rows for batch in reading)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

        assert read == rows
        assert peak < most_bytes


def test_a_cancel_from_another_thread_ends_a_read_that_gives_no_batch(database):
    fill(database, 300_000)
    spec = SourceSpec("other", table="T", filters=(Filter("FILLER", "=", "nowhere"),))
    source = SqlalchemySource(database.connection)
    split = source.split(spec, None, sizing(1 << 20))
    reading = source.read(request(spec, split))
    outcome: list[object] = []

    def consume() -> None:
        with reading:
            try:
                outcome.append(list(reading))
            except ReadCancelled as error:
                outcome.append(error)

    consumer = threading.Thread(target=consume)
    consumer.start()
    time.sleep(0.3)
    assert outcome == []
    reading.cancel()
    consumer.join(60)

    assert [type(each) for each in outcome] == [ReadCancelled]


def test_a_dropped_table_or_column_is_a_change_and_an_added_column_is_not(database):
    database.run("CREATE TABLE t (a INTEGER, b INTEGER)", "INSERT INTO t VALUES (1, 2)")
    spec = SourceSpec("other", table="T")
    source = SqlalchemySource(database.connection)
    split = source.split(spec, None, sizing(1 << 20))

    database.run("ALTER TABLE t ADD c INTEGER")
    with source.read(request(spec, split)) as reading:
        assert [batch.to_pydict() for batch in reading] == [{"A": [1], "B": [2]}]
    for change in ("ALTER TABLE t ALTER b TYPE CHAR(20)", "ALTER TABLE t DROP b", "DROP TABLE t"):
        database.run(change)
        with pytest.raises(SourceChanged), source.read(request(spec, split)) as reading:
            list(reading)


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"dialect": "nosuch"}, SourceUnsupported, "needs the SQLAlchemy dialect 'nosuch'"),
        ({"dialect": "oracle+oracledb"}, SourceUnsupported, "and its driver: install them"),
        ({"parameters": (("nosuch", "1"),)}, SourceUnsupported, "parameters that its driver"),
        ({"database": "/nowhere/at/all.fdb"}, SourceUnavailable, "cannot be reached as its user"),
        ({"user": "STRANGER"}, SourceAuth, "does not let the user read this"),
        ({"host": "127.0.0.1", "port": 1}, SourceUnavailable, "cannot be reached as its user"),
        ({"host": "169.254.169.254"}, SourceAuth, "is a link-local or metadata address"),
    ],
)
def test_what_cannot_be_read_is_said_without_the_password(database, changes, error, said):
    database.run("CREATE TABLE t (v INTEGER)", "INSERT INTO t VALUES (1)")
    connection = replace(database.connection, secret="hunter2", **changes)

    with pytest.raises(error, match=said) as raised:
        stage(SqlalchemySource(connection), SourceSpec("other", table="T"))
    assert "hunter2" not in raised.value.detail


def test_what_is_asked_of_a_server_is_not_remembered_for_the_file_of_the_same_name(database):
    database.run("CREATE TABLE t (v INTEGER)", "INSERT INTO t VALUES (1)")
    elsewhere = replace(database.connection, host="127.0.0.1", port=free_port())

    with pytest.raises(SourceUnavailable):
        SqlalchemySource(elsewhere).describe(SourceSpec("other", table="T"))
    assert staged(database).table["V"].to_pylist() == [1]


@pytest.mark.parametrize(
    ("declared", "kept", "expected", "lost"),
    [
        ("NUMERIC(10, 2)", "0.1", Decimal("0.10"), "0.125"),
        ("BOOLEAN", "1", True, "2"),
        ("FLOAT", "0.1", 0.1, "'secret'"),
        ("INTEGER", "7", 7, "1.5"),
        ("DATE", "'2020-02-29'", datetime.date(2020, 2, 29), None),
    ],
)
def test_a_driver_without_such_a_type_changes_no_value(tmp_path, declared, kept, expected, lost):
    """SQLite has neither decimals, booleans nor dates: SQLAlchemy would round and guess."""
    source = SqlalchemySource(
        Connection("other", "sqlalchemy", dialect="sqlite", database=str(tmp_path / "a.db"), port=0)
    )
    with sqlite3.connect(tmp_path / "a.db") as file:
        file.execute(f"CREATE TABLE t (v {declared})")
        file.execute(f"INSERT INTO t VALUES ({kept}), (NULL)")

    spec = SourceSpec("other", table="t")
    assert stage(source, spec).table["v"].to_pylist() == [expected, None]
    if lost is not None:
        with sqlite3.connect(tmp_path / "a.db") as file:
            file.execute(f"INSERT INTO t VALUES ({lost})")
        found = stage(source, spec, policy="null")
        assert (found.table["v"].to_pylist(), found.nulled) == ([expected, None, None], {"v": 1})
