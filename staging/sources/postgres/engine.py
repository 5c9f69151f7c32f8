"""DuckDB as the reader of Postgres: one instance a process, one attached session a read."""

import importlib.util
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any, Self

import duckdb
import pyarrow as pa

from staging.core.errors import SnapshotLost, SourceUnavailable
from staging.sources.connection import Connection
from staging.sources.postgres.quoting import quote_literal
from staging.sources.postgres.session import conninfo, server_name
from staging.sources.postgres.snapshot import INSTANT, joins

ENGINE_ERRORS = (duckdb.Error, OSError, pa.ArrowException)
"""What a read may raise: DuckDB's own errors, or Arrow's when a batch is fetched."""
_PACKAGE = "duckdb_extension_postgres_scanner"
_HOLDS_CONNINFO = "Unable to connect"
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    # A read runs in the thread that fetches it.
    "threads": "1",
}
_starting = Lock()


class EngineSession:
    """One Postgres session of DuckDB, inside one transaction; closes with the `with` block."""

    def __init__(
        self, connection: Connection, session_name: str, limit: timedelta, exports: Sequence[str]
    ) -> None:
        self._server = server_name(connection)
        self._info = conninfo(connection, session_name, limit)
        self._exports = exports
        self._alias = f"s{uuid.uuid4().hex}"
        self._cursor = _cursor()
        self._reader: pa.RecordBatchReader | None = None
        self.backend_pid = 0

    def __enter__(self) -> Self:
        try:
            self._attach()
            self._begin()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """Run one query on the server and give its few rows."""
        self._query(sql)
        return self._cursor.fetchall()

    def batches(self, sql: str, batch_rows: int) -> Iterator[pa.RecordBatch]:
        """Stream a query's rows; its session can be used again once they are read to the end."""
        self._query(sql)
        self._reader = self._cursor.to_arrow_reader(batch_rows)
        try:
            yield from self._reader
        except ENGINE_ERRORS:
            self._reader = None
            raise
        self._reader = None

    @property
    def is_reading(self) -> bool:
        """Tell whether a query was begun and not read to its end."""
        return self._reader is not None

    def _query(self, sql: str) -> None:
        self._execute("SELECT * FROM postgres_query(?, ?)", [self._alias, sql])

    def _execute(self, sql: str, values: Sequence[str] = ()) -> None:
        try:
            self._cursor.execute(sql, values)
        except duckdb.Error as error:
            if _HOLDS_CONNINFO not in str(error):
                raise
            # The text holds the password: it must not travel on as a cause.
            raise SourceUnavailable(f"{self._server} does not accept connections") from None

    def _attach(self) -> None:
        quoted = self._info.replace("'", "''")
        self._execute(f"ATTACH '{quoted}' AS {self._alias} (TYPE postgres, READ_ONLY)")

    def _begin(self) -> None:
        """Begin in the first living export, at once or not at all."""
        if not self._exports:
            self._execute("BEGIN")
            self._look()
            return
        failed: duckdb.Error | None = None
        for way in joins(self._exports):
            self._execute("BEGIN")
            try:
                self._execute("CALL postgres_execute(?, ?)", [self._alias, way.statement])
                if way.leads_to(self._look()):
                    return
            except duckdb.Error as error:
                failed = error
            self._execute("ROLLBACK")
        raise SnapshotLost() from failed

    def _look(self) -> str:
        """Note who we are on the server, and give the instant that this transaction sees."""
        who = f"SELECT pg_backend_pid() AS pid, {INSTANT} AS instant"
        self.backend_pid, instant = self.ask(who)[0]
        return str(instant)

    def _close(self) -> None:
        if self._reader is not None:
            self._reader.close()
        for statement in ("ROLLBACK", f"DETACH {self._alias}"):
            with suppress(duckdb.Error):
                self._cursor.execute(statement)
        self._cursor.close()


def _cursor() -> duckdb.DuckDBPyConnection:
    with _starting:
        return _instance().cursor()


@cache
def _instance() -> duckdb.DuckDBPyConnection:
    """Start DuckDB with its Postgres extension, from the installed wheel and not from a network."""
    instance = duckdb.connect(":memory:", config=_CONFIG)
    instance.execute(f"LOAD {quote_literal(str(_extension()))}")
    return instance


def _extension() -> Path:
    package = importlib.util.find_spec(_PACKAGE)
    if package is None or package.origin is None:
        raise ModuleNotFoundError(f"{_PACKAGE} is not installed", name=_PACKAGE)
    versioned = f"extensions/v{duckdb.__version__}/postgres_scanner.duckdb_extension"
    return Path(package.origin).parent / versioned
