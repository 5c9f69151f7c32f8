"""A database of its own for each module of tests, and a source that reads it."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pyarrow as pa
import pymysql

from staging.core.manifest import Snapshot
from staging.core.source_spec import SourceSpec
from staging.sources.connection import Connection
from staging.sources.mysql import MysqlSource
from staging.sources.source import FAIL
from tests.mariadb import PASSWORD, MariaDb
from tests.source_reading import TARGET, Staged, stage


@dataclass
class Database:
    """One database; `run` is root's SQL, `source` the service's way in."""

    server: MariaDb
    admin: pymysql.Connection
    connection: Connection

    @property
    def source(self) -> MysqlSource:
        return MysqlSource(self.connection)

    def run(self, *statements: str) -> tuple[tuple, ...]:
        with self.admin.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchall()

    def with_changes(self, **changes: object) -> MysqlSource:
        return MysqlSource(replace(self.connection, **changes))

    def stage(
        self,
        table: str,
        snapshot: Snapshot | None = None,
        *,
        policy: str = FAIL,
        target_bytes: int = TARGET,
        **changes: object,
    ) -> Staged:
        spec = SourceSpec("shelf", table=table, **changes)
        return stage(self.source, spec, snapshot, policy=policy, target_bytes=target_bytes)

    def column(self, declared: str, *values: str, policy: str = FAIL) -> pa.Array:
        """Stage a table of one column that has these values, in order."""
        staged = self.table(declared, *values, policy=policy)
        return staged.table["v"].combine_chunks()

    def table(self, declared: str, *values: str, policy: str = FAIL) -> Staged:
        name = f"t_{uuid.uuid4().hex[:8]}"
        self.run(f"CREATE TABLE {name} (n int auto_increment primary key, v {declared})")
        for value in values:
            self.run(f"INSERT INTO {name} (v) VALUES ({value})")
        return self.stage(name, policy=policy)

    def queries(self, label: str) -> int:
        """Count what the server runs, or idles in, for the sessions of one name."""
        rows = self.run(
            "SELECT COUNT(*) FROM performance_schema.session_connect_attrs"
            f" WHERE ATTR_NAME = 'program_name' AND ATTR_VALUE = '{label}'"
        )
        return int(rows[0][0])


def connection_to(server: MariaDb, database: str, **changes: object) -> Connection:
    connection = Connection(
        "shelf",
        "mysql",
        host="127.0.0.1",
        port=server.port,
        database=database,
        user="reader",
        secret=PASSWORD,
    )
    return replace(connection, **changes)


@contextmanager
def database_on(server: MariaDb) -> Iterator[Database]:
    name = f"sources_{uuid.uuid4().hex[:8]}"
    with server.connect() as root, root.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    with server.connect(name) as admin:
        database = Database(server, admin, connection_to(server, name))
        database.run("SET sql_mode = ''", "SET time_zone = '+00:00'")
        yield database
