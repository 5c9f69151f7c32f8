"""Every Postgres type is staged exactly, and what has no exact form is stated."""

import datetime
from dataclasses import replace
from decimal import Decimal

import psycopg
import pytest

from staging.core.errors import Unrepresentable
from staging.core.source_spec import Filter, SourceSpec
from tests.integration.postgres_database import Database, database_on
from tests.integration.source_kinds import connection_to
from tests.source_reading import request, sizing

UTC = datetime.UTC
_UUID = "6f1c2c0a-9d3b-4e0e-8b3c-2f0a4c1d2e3f"


@pytest.fixture(scope="module")
def db(postgres) -> Database:
    with database_on(postgres) as database:
        database.run("CREATE TYPE mood AS ENUM ('sad', 'ok')")
        database.run("CREATE DOMAIN cents AS numeric(10, 2)")
        database.run("CREATE DOMAIN tips AS cents")
        database.run("CREATE TYPE pair AS (a int, b text)")
        yield database


EXACT = [
    ("true::bool", "bool", True),
    ("(-32768)::int2", "int16", -32768),
    ("2147483647::int4", "int32", 2147483647),
    ("(-9223372036854775808)::int8", "int64", -(2**63)),
    ("1.5::float4", "float", 1.5),
    ("0.1::float8", "double", 0.1),
    ("'-infinity'::float8", "double", float("-inf")),
    ("12.34::numeric(15,2)", "decimal128(15, 2)", Decimal("12.34")),
    (f"(-{10**38 - 1})::numeric(38)", "decimal128(38, 0)", Decimal(-(10**38 - 1))),
    ("1e-38::numeric(38,38)", "decimal128(38, 38)", Decimal("1e-38")),
    ("1.00::cents", "decimal128(10, 2)", Decimal("1.00")),
    ("2.50::tips", "decimal128(10, 2)", Decimal("2.50")),
    ("1.23456789012345678901234567890::numeric", "string", "1.23456789012345678901234567890"),
    ("'NaN'::numeric", "string", "NaN"),
    ("12345::numeric(5,-2)", "string", "12300"),
    ("0.00123::numeric(3,5)", "string", "0.00123"),
    ("'ünï \U0001f388 \\'::text", "string", "ünï \U0001f388 \\"),
    ("''::text", "string", ""),
    ("'ab '::varchar(5)", "string", "ab "),
    ("'ab'::char(6)", "string", "ab"),
    ("E'a\\t '::char(6)", "string", "a\t"),
    ("'z'::\"char\"", "string", "z"),
    ("'pg'::name", "string", "pg"),
    ("date '2020-02-29'", "date32[day]", datetime.date(2020, 2, 29)),
    ("date '0001-01-01'", "date32[day]", datetime.date(1, 1, 1)),
    ("time '23:59:59.999999'", "time64[us]", datetime.time(23, 59, 59, 999_999)),
    (
        "timestamp '2020-02-29 01:02:03.456789'",
        "timestamp[us]",
        datetime.datetime(2020, 2, 29, 1, 2, 3, 456_789),  # noqa: DTZ001 - has no zone
    ),
    (
        "timestamptz '2020-02-29 01:02:03+02'",
        "timestamp[us, tz=UTC]",
        datetime.datetime(2020, 2, 28, 23, 2, 3, tzinfo=UTC),
    ),
    ("timetz '12:00+02'", "string", "12:00:00+02"),
    ("interval '1 year 2 days 03:04:05.5'", "string", "1 year 2 days 03:04:05.5"),
    (f"'{_UUID}'::uuid", "string", _UUID),
    ("'{\"a\":  1}'::json", "string", '{"a":  1}'),
    ("'{\"a\":  1}'::jsonb", "string", '{"a": 1}'),
    ("'\\x00ff'::bytea", "binary", b"\x00\xff"),
    ("'ok'::mood", "string", "ok"),
    ("'{1,NULL,3}'::int4[]", "list<item: int32>", [1, None, 3]),
    ("'{}'::int4[]", "list<item: int32>", []),
    ("'{a,NULL,\"b c\"}'::text[]", "list<item: string>", ["a", None, "b c"]),
    ("'{1.50,NULL}'::numeric(10,2)[]", "list<item: string>", ["1.50", None]),
    ("'{2020-01-01,infinity}'::date[]", "list<item: string>", ["2020-01-01", "infinity"]),
    ("'{sad}'::mood[]", "list<item: string>", ["sad"]),
    ("'10.0.0.1/8'::inet", "string", "10.0.0.1/8"),
    ("42::oid", "int64", 42),
    ("B'101'::bit(3)", "string", "101"),
    ("B'10'::varbit", "string", "10"),
    ("'10.0.0.0/8'::cidr", "string", "10.0.0.0/8"),
    ("'08:00:2b:01:02:03'::macaddr", "string", "08:00:2b:01:02:03"),
    ("'a fat cat'::tsvector", "string", "'a' 'cat' 'fat'"),
    ("'fat & rat'::tsquery", "string", "'fat' & 'rat'"),
    ("'12.34'::money", "string", "$12.34"),
    ("'{[1,3),[5,7)}'::int4multirange", "string", "{[1,3),[5,7)}"),
    ("'16/B374D848'::pg_lsn", "string", "16/B374D848"),
    ("'((0,0),(1,1))'::box", "string", "(1,1),(0,0)"),
    ("'[1,5)'::int4range", "string", "[1,5)"),
    ("ROW(1, 'x y')::pair", "string", '(1,"x y")'),
    ("'(1,2)'::point", "string", "(1,2)"),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "kind", "value"), EXACT, ids=[each[0] for each in EXACT])
def test_a_value_is_staged_as_it_is(db, sql, kind, value):
    values = db.values(sql)

    assert (str(values.type), values.to_pylist()) == (kind, [value])


def test_null_is_null_in_every_type(db):
    for sql, kind, _ in EXACT:
        values = db.values(f"CASE WHEN false THEN {sql} END")
        assert values.to_pylist() == [None], sql
        assert str(values.type) in {kind, "string"}


def test_the_last_moments_that_postgres_and_arrow_share_are_staged(db):
    values = db.values("timestamp '294246-12-31 23:59:59.999999'")
    assert values.view("int64").to_pylist() == [2**63 - 1 - 792_054_775_808]
    values = db.values("timestamp '4714-11-24 00:00:00 BC'")
    assert values.view("int64").to_pylist() == [-210866803200000000]
    values = db.values("date '5874897-12-31'")
    days = db.run("SELECT date '5874897-12-31' - date '1970-01-01'")[0][0]
    assert values.view("int32").to_pylist() == [days]


UNREPRESENTABLE = {
    "date": ["'infinity'", "'-infinity'"],
    "timestamp": ["'infinity'", "'-infinity'", "'294276-12-31'"],
    "timestamptz": ["'infinity'", "'-infinity'", "'294276-12-31'"],
    "time": ["'24:00'"],
    "numeric(10,2)": ["'NaN'"],
    "int4[]": ["'{{1,2},{3,4}}'"],
    "text[]": ["'{{a},{b}}'"],
}
GOOD = {
    "date": "'2020-01-01'",
    "timestamp": "'2020-01-01'",
    "timestamptz": "'2020-01-01'",
    "time": "'12:00'",
    "numeric(10,2)": "0",
    "int4[]": "'{1}'",
    "text[]": "'{a}'",
}


@pytest.mark.parametrize("stored_as", ["table", "view"])
@pytest.mark.parametrize("kind", UNREPRESENTABLE)
def test_a_value_without_a_form_fails_the_read_or_is_counted_as_null(db, kind, stored_as):
    bad = UNREPRESENTABLE[kind]
    name = f"bad_{abs(hash((kind, stored_as))):x}"
    db.run(f"CREATE TABLE {name}_rows (id int, moment {kind})")
    values = [*bad, GOOD[kind], "NULL"]
    for number, value in enumerate(values):
        db.run(f"INSERT INTO {name}_rows VALUES ({number}, {value})")
    source = "SELECT * FROM" if stored_as == "view" else "TABLE"
    db.run(f"CREATE {'VIEW' if stored_as == 'view' else 'TABLE'} {name} AS {source} {name}_rows")

    with pytest.raises(Unrepresentable, match="column 'moment' holds at least") as raised:
        db.stage(name)
    assert "inf" not in raised.value.detail.lower()
    assert "nan" not in raised.value.detail.lower()

    staged = db.stage(name, policy="null")
    assert staged.nulled == {"moment": len(bad)}
    moments = dict(zip(staged.table["id"].to_pylist(), staged.table["moment"], strict=True))
    assert [moments[i].is_valid for i in range(len(values))] == [False] * len(bad) + [True, False]


def test_a_zero_in_a_numeric_is_a_zero(db):
    db.run(
        "CREATE TABLE zeros AS SELECT n % 3 AS id, (n % 3)::numeric(5,1) AS price "
        "FROM generate_series(1, 9) n"
    )

    staged = db.stage("zeros")
    assert staged.table["price"].to_pylist() == staged.table["id"].to_pylist()
    assert db.stage("zeros", policy="null").nulled == {}


@pytest.mark.parametrize("expected", [["price"], []])
def test_a_nan_among_many_rows_is_found_whether_or_not_zeros_were_expected(db, expected):
    db.run(
        "DROP TABLE IF EXISTS many; CREATE TABLE many AS SELECT n AS id,"
        " (n % 5)::numeric(9,2) AS price FROM generate_series(1, 200000) n"
    )
    spec = SourceSpec("shelf", table="many")
    planned = db.source.split(spec, None, sizing(1 << 30))
    assert planned.bounds[0]["zero_columns"] == ["price"]
    split = replace(planned, bounds=(planned.bounds[0] | {"zero_columns": expected},))

    with db.source.read(request(spec, split)) as reading:
        assert sum(batch.num_rows for batch in reading) == 200_000
    db.run("UPDATE many SET price = 'NaN' WHERE id IN (7, 150000)")
    with pytest.raises(Unrepresentable) as raised, db.source.read(request(spec, split)) as reading:
        list(reading)

    assert raised.value.detail.startswith("column 'price' holds at least 2 values that decimal128")


def test_a_nan_that_a_filter_leaves_out_does_not_fail_the_read(db):
    db.run(
        "CREATE TABLE mixed (id int, price numeric(5,1)); "
        "INSERT INTO mixed VALUES (1, 0), (2, 'NaN')"
    )

    staged = db.stage("mixed", filters=(Filter("id", "=", 1),))
    assert staged.table["price"].to_pylist() == [Decimal("0.0")]


@pytest.mark.parametrize(
    ("encoding", "text", "found"), [("LATIN1", "'ünï'", "ünï"), ("SQL_ASCII", r"E'ab\xff'", None)]
)
def test_text_arrives_as_utf_8_or_is_refused(postgres, encoding, text, found):
    name = f"in_{encoding.lower()}"
    with psycopg.connect(postgres.dsn(), autocommit=True) as server:
        server.execute(
            f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'"
        )
    dsn = postgres.dsn(name)
    with psycopg.connect(dsn, autocommit=True, client_encoding="utf8") as admin:
        if found is None:
            admin.execute("SET client_encoding = SQL_ASCII")
        admin.execute(f"CREATE TABLE t AS SELECT {text}::text AS value")
        database = Database(dsn, admin, connection_to(dsn))
        if found is not None:
            assert database.stage("t").table["value"].to_pylist() == [found]
            return
        with pytest.raises(Unrepresentable) as raised:
            database.stage("t")
    assert raised.value.detail == (
        "the source of connection shelf sent a value that cannot be read as its column's type"
    )
