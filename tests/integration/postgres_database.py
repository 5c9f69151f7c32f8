"""A database of its own for each module of tests, and a source that reads it."""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
import pyarrow as pa

from staging.core.source_spec import SourceSpec
from staging.local.postgres import EmbeddedPostgres
from staging.sources.connection import Connection
from staging.sources.postgres import PostgresSource
from staging.sources.source import FAIL
from tests.integration.source_kinds import connection_to
from tests.source_reading import Staged, stage


@dataclass
class Database:
    """One database; `run` is its owner's SQL, `source` the service's way in."""

    dsn: str
    admin: psycopg.Connection
    connection: Connection

    @property
    def source(self) -> PostgresSource:
        return PostgresSource(self.connection)

    def run(self, sql: str) -> list[tuple]:
        cursor = self.admin.execute(sql.encode())
        return cursor.fetchall() if cursor.description else []

    def stage(self, table: str, *, policy: str = FAIL, **changes: object) -> Staged:
        spec = SourceSpec("shelf", table=table, **changes)
        return stage(self.source, spec, policy=policy)

    def values(self, select: str) -> pa.Array:
        """Stage one expression through a view and give its values."""
        name = f"v_{uuid.uuid4().hex[:8]}"
        self.run(f"CREATE VIEW {name} AS SELECT {select} AS value")
        return self.stage(name).table["value"].combine_chunks()

    def sessions(self, name: str) -> list[str]:
        """Give the states of the sessions of one name on the server."""
        rows = self.admin.execute(
            "SELECT state FROM pg_stat_activity WHERE application_name = %s", [name]
        )
        return [row[0] for row in rows]

    def assert_left(self, name: str, seconds: float = 60) -> None:
        """Wait for the end of a name's sessions: the server sees a closed connection later."""
        deadline = time.monotonic() + seconds
        while states := self.sessions(name):
            assert time.monotonic() < deadline, states
            time.sleep(0.02)


@contextmanager
def database_on(postgres: EmbeddedPostgres) -> Iterator[Database]:
    name = f"sources_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(postgres.dsn(), autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
    dsn = postgres.dsn(name)
    with psycopg.connect(dsn, autocommit=True) as admin:
        yield Database(dsn, admin, connection_to(dsn))
