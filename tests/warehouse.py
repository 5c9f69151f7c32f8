"""The tables that end-to-end and fault tests stage, in a Postgres of their own."""

import decimal
import io
import uuid
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psycopg
import pyarrow as pa
from psycopg import errors
from pyarrow import csv

READER, READER_PASSWORD = "reader", "read-only"
ORDER_ROWS = 90_000
SLOW_ROWS = 80_000
SLOW_STEP = 100
"""One row in so many makes its reader wait on the server."""

_ORDERS = f"""
CREATE TABLE orders (
    id bigint PRIMARY KEY, customer int NOT NULL, small smallint,
    ratio double precision, score real,
    price numeric(15, 2) NOT NULL, note text, code char(4), is_open boolean, placed_on date,
    created_at timestamp, updated_at timestamptz, token uuid, detail jsonb, raw bytea
);
INSERT INTO orders SELECT
    n, n % 97, CASE WHEN n % 11 = 0 THEN NULL ELSE n % 300 END, n / 7.0, (n % 1000) / 8.0,
    (n * 13 % 1000000) / 100.0, CASE WHEN n % 5 = 0 THEN NULL ELSE 'note ' || n || ' - ünï' END,
    lpad((n % 1000)::text, 4, '0'), n % 2 = 0, date '1990-01-01' + (n % 12000)::int,
    timestamp '2001-02-03 04:05:06.789' + n * interval '1 second',
    timestamptz '2011-02-03 04:05:06.789+02' + n * interval '1 minute',
    md5(n::text)::uuid, jsonb_build_object('n', n), decode(md5(n::text), 'hex')
FROM generate_series(1, {ORDER_ROWS}) n;
CREATE TABLE nothing (id bigint PRIMARY KEY, name text);
CREATE TABLE single (id bigint PRIMARY KEY, name text);
INSERT INTO single VALUES (1, 'one');
CREATE TABLE odd (id bigint PRIMARY KEY, price numeric(10, 2));
INSERT INTO odd VALUES (1, 1.5), (2, 'NaN');
"""

_SLOW = """
CREATE TABLE {name} (id bigint PRIMARY KEY, version int NOT NULL, filler text NOT NULL);
INSERT INTO {name} SELECT n, 1, md5(n::text) || md5((n * 7)::text) || md5((n * 31)::text)
    || md5((n * 47)::text) || md5((n * 53)::text)
FROM generate_series(1, {rows}) n;
ALTER TABLE {name} ENABLE ROW LEVEL SECURITY;
CREATE POLICY pace ON {name} FOR SELECT USING (paced(id, {key}, {seconds}));
"""

_PACE = f"""
CREATE FUNCTION paced(id bigint, key bigint, seconds float) RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF id % {SLOW_STEP} <> 0 THEN RETURN true; END IF;
    IF pg_try_advisory_lock_shared(key) THEN PERFORM pg_advisory_unlock_shared(key);
    ELSE PERFORM pg_sleep(seconds); END IF;
    RETURN true;
END $$;
"""


def fill(dsn: str) -> None:
    """Create the tables and the reader's role in an empty database."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(_ORDERS)
        connection.execute(_PACE)
        with suppress(errors.DuplicateObject):  # roles belong to the server, not to one database
            connection.execute(f"CREATE ROLE {READER} LOGIN PASSWORD '{READER_PASSWORD}'")
        connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {READER}")
        connection.execute("ANALYZE")


@dataclass(frozen=True)
class SlowTable:
    """A table that is slow to read as long as its lock is held."""

    name: str
    rows: pa.Table
    _lock: psycopg.Connection

    def hurry(self) -> None:
        """Let every reader go on at full speed."""
        self._lock.close()


@contextmanager
def slow_table(
    dsn: str, name: str, rows: int = SLOW_ROWS, seconds: float = 0.03
) -> Iterator[SlowTable]:
    """Create a table whose every SLOW_STEP-th row makes the reader wait for so many seconds.

    A row-security policy does the waiting on the server, so the table is still an ordinary one
    with ctid ranges.
    """
    key = zlib.crc32(name.encode())
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(_SLOW.format(name=name, rows=rows, key=key, seconds=seconds))
        connection.execute(f"GRANT SELECT ON {name} TO {READER}")
        connection.execute(f"ANALYZE {name}")
        connection.execute("SELECT pg_advisory_lock(%s)", [key])
        with connection.cursor().copy(f"COPY {name} TO STDOUT (FORMAT csv)") as rows_of_text:
            text = b"".join(rows_of_text)
        types = {"id": pa.int64(), "version": pa.int32(), "filler": pa.string()}
        plain = csv.read_csv(
            io.BytesIO(text),
            csv.ReadOptions(column_names=list(types)),
            convert_options=csv.ConvertOptions(column_types=types),
        )
        yield SlowTable(name, plain, connection)


def read(dsn: str, table: str) -> pa.Table:
    """Read a whole table row by row through psycopg, as values a person would expect."""
    with psycopg.connect(dsn) as connection:
        cursor = connection.execute(f"SELECT * FROM {table}")
        names = [column.name for column in cursor.description or ()]
        rows = cursor.fetchall()
    return pa.table({name: [_plain(row[i]) for row in rows] for i, name in enumerate(names)})


def _plain(value: object) -> object:
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, dict):
        return f'{{"n": {value["n"]}}}'
    if isinstance(value, decimal.Decimal):
        return value
    return value
