"""Over a network SQLAlchemy's dialects differ: a server-side cursor, schemas, types, a password.

Postgres has a kind of its own; here it stands for the servers whose dialects are not installed.
"""

import datetime
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

import psycopg
import pytest

from staging.core.errors import (
    InvalidValue,
    SourceAuth,
    SourceError,
    SourceUnavailable,
    SourceUnsupported,
    Unrepresentable,
)
from staging.core.source_spec import Filter, SourceSpec
from staging.local.postgres import EmbeddedPostgres
from staging.sources.connection import Connection
from staging.sources.source import ReadCancelled
from staging.sources.sqlalchemy.session import opened
from staging.sources.sqlalchemy.sqlalchemy_source import SqlalchemySource
from tests.integration.source_kinds import connection_to
from tests.source_reading import Staged, request, sizing, stage

PASSWORD = "reader's pässword"


@dataclass
class Server:
    """One schema of a server, `run` being its owner's SQL."""

    admin: psycopg.Connection
    connection: Connection
    schema: str

    def run(self, sql: str) -> None:
        self.admin.execute(sql.encode())

    def reader(self) -> Connection:
        """Make a user who may see the schema, and read nothing."""
        user, literal = f"reader_{uuid.uuid4().hex[:8]}", PASSWORD.replace("'", "''")
        self.run(f"CREATE USER {user} PASSWORD '{literal}'")
        self.run(f'GRANT USAGE ON SCHEMA "{self.schema}" TO {user}')
        return replace(self.connection, user=user, secret=PASSWORD)

    def stage(self, table: str, *, policy: str = "fail", **changes: object) -> Staged:
        spec = SourceSpec("shop", table=f"{self.schema}.{table}", **changes)
        return stage(SqlalchemySource(self.connection), spec, policy=policy)


@pytest.fixture
def server(postgres: EmbeddedPostgres) -> Iterator[Server]:
    schema, dsn = f"Shop_{uuid.uuid4().hex[:8]}", postgres.dsn()
    connection = replace(
        connection_to(dsn), name="shop", kind="sqlalchemy", dialect="postgresql+psycopg"
    )
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute(f'CREATE SCHEMA "{schema}"'.encode())
        admin.execute(f'SET search_path TO "{schema}"'.encode())
        yield Server(admin, connection, schema)
        admin.execute(f'DROP SCHEMA "{schema}" CASCADE'.encode())


_INSTANT = datetime.datetime(2020, 2, 28, 23, 2, 3, tzinfo=datetime.UTC)
_UUID = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
EXACT = [
    (
        "numeric",
        "123456789012345678901234567890123456789012.5",
        "string",
        f"{'1234567890' * 4}12.5",
    ),
    ("numeric", "1e20", "string", "100000000000000000000"),
    ("numeric(40,2)", "0.10", "string", "0.10"),
    ("numeric(10,2)", "-0.10", "decimal128(10, 2)", Decimal("-0.10")),
    ("timestamptz", "2020-02-29 01:02:03+02", "timestamp[us, tz=UTC]", _INSTANT),
    ("uuid", "{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11}", "string", _UUID),
    ("double precision", "Infinity", "double", float("inf")),
    ("bool", "t", "bool", True),
    ("bytea", "\\x00ff", "binary", b"\x00\xff"),
    ("time", "23:59:59.999999", "time64[us]", datetime.time(23, 59, 59, 999_999)),
]


@pytest.mark.parametrize(("declared", "written", "kind", "expected"), EXACT)
def test_a_value_is_staged_as_it_is(server, declared, written, kind, expected):
    server.run(f"CREATE TABLE t (v {declared}); INSERT INTO t VALUES ('{written}'), (NULL)")

    table = server.stage("t").table
    assert (str(table.schema.field("v").type), table["v"].to_pylist()) == (kind, [expected, None])


@pytest.mark.parametrize(
    ("declared", "written"),
    [("numeric", "NaN"), ("numeric(4,1)", "NaN")],
)
def test_a_number_that_is_none_fails_the_read_or_is_counted_as_null(server, declared, written):
    server.run(f"CREATE TABLE t (v {declared}); INSERT INTO t VALUES ('{written}')")

    with pytest.raises(Unrepresentable, match="column 'v' holds at least 1 value"):
        server.stage("t")
    assert server.stage("t", policy="null").nulled == {"v": 1}


def test_a_value_that_python_has_no_form_for_fails_the_read_in_words_without_it(server):
    server.run("CREATE TABLE t (v date); INSERT INTO t VALUES ('4713-01-02 BC')")

    with pytest.raises(SourceError) as raised:
        server.stage("t")
    assert "4713" not in raised.value.detail


def test_a_number_staged_as_text_is_not_compared_as_one(server):
    server.run("CREATE TABLE t (v numeric); INSERT INTO t VALUES (9), (10), (NULL)")

    with pytest.raises(InvalidValue, match="is_null and not_null only"):
        server.stage("t", filters=(Filter("v", ">", "9"),))
    kept = server.stage("t", filters=(Filter("v", "not_null"),))
    assert sorted(kept.table["v"].to_pylist()) == ["10", "9"]


def test_a_type_without_an_exact_form_is_refused_unless_it_is_left_out(server):
    server.run("CREATE TABLE t (id int, v interval); INSERT INTO t VALUES (1, '1 day')")

    with pytest.raises(SourceUnsupported, match="column 'v' has the type INTERVAL"):
        server.stage("t")
    assert server.stage("t", columns=("id",)).table.to_pydict() == {"id": [1]}


def test_a_schema_is_part_of_a_name_quoted_or_not(server):
    server.run('CREATE TABLE "a.b" (id int); INSERT INTO "a.b" VALUES (1)')
    server.run('CREATE MATERIALIZED VIEW m AS SELECT id + 1 AS id FROM "a.b"')

    for table in ("a.b", "m"):
        assert server.stage(table).table.num_rows == 1
    quoted = SourceSpec("shop", table=f'"{server.schema}"."a.b"')
    assert stage(SqlalchemySource(server.connection), quoted).table.num_rows == 1
    with pytest.raises(InvalidValue, match="there is no table"):
        stage(SqlalchemySource(server.connection), SourceSpec("shop", table="a.b"))


def test_the_transaction_does_not_see_what_is_committed_later(server):
    with opened(server.connection) as session:
        level = session.exec_driver_sql("SHOW transaction_isolation").scalar_one()

    assert level == "repeatable read"


def test_rows_come_while_the_server_still_makes_them(server):
    server.run("CREATE VIEW endless AS SELECT generate_series(1, 100000000000) AS id")
    spec = SourceSpec("shop", table=f"{server.schema}.endless")
    source = SqlalchemySource(server.connection)
    split = source.split(spec, None, sizing(1 << 20))

    with source.read(request(spec, split)) as reading:
        assert next(iter(reading))["id"][:2].to_pylist() == [1, 2]


def test_a_cancel_ends_a_query_that_has_not_given_a_row(server):
    server.run("CREATE VIEW slow AS SELECT id FROM (SELECT 1 AS id, pg_sleep(60)) AS s")
    spec = SourceSpec("shop", table=f"{server.schema}.slow")
    source = SqlalchemySource(server.connection)
    reading = source.read(request(spec, source.split(spec, None, sizing(1 << 20))))
    outcome: list[object] = []

    def consume() -> None:
        with reading:
            try:
                outcome.append(list(reading))
            except ReadCancelled as error:
                outcome.append(error)

    consumer = threading.Thread(target=consume)
    consumer.start()
    time.sleep(0.5)
    reading.cancel()
    consumer.join(60)
    reading.cancel()

    assert [type(each) for each in outcome] == [ReadCancelled]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"secret": PASSWORD + "x"}, SourceUnavailable),
        ({"database": "nowhere"}, SourceUnavailable),
        ({"port": 1}, SourceUnavailable),
        ({"host": "no-such-host.invalid"}, SourceUnavailable),
    ],
)
def test_what_cannot_be_reached_is_said_without_the_password(server, changes, error):
    connection = replace(server.reader(), **changes)

    with pytest.raises(error) as raised:
        SqlalchemySource(connection).describe(SourceSpec("shop", table="t"))
    assert "pässword" not in raised.value.detail
    assert "pässword" not in repr(connection)


def test_a_table_that_the_user_may_not_read_is_refused(server):
    server.run("CREATE TABLE t (id int)")
    server.connection = server.reader()

    with pytest.raises(SourceAuth, match="does not let the user read this"):
        server.stage("t")
