"""Open a SQLite database to read it, and look its tables up."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from staging.core.errors import (
    FieldError,
    InvalidValue,
    SourceAuth,
    SourceError,
    SourceUnavailable,
    SourceUnsupported,
    UnknownTable,
)
from staging.core.source_spec import SourceSpec
from staging.sources.connection import Connection
from staging.sources.nearest import nearest_names
from staging.sources.qualified_name import readings_of
from staging.sources.sqlite.affinity import ColumnRule, rule_of_declared

_BUSY_SECONDS = 5.0
_TABLES = """
SELECT name FROM sqlite_schema
WHERE type IN ('table', 'view') AND substr(name, 1, 7) <> 'sqlite_'
"""


@contextmanager
def opened(connection: Connection) -> Iterator[sqlite3.Connection]:
    """Open the file read-only; text is decoded so that wrong bytes can be told from right ones.

    Raises SourceUnavailable if it is not there or locked, SourceUnsupported if it is no database.
    """
    path = connection.path or Path()
    if not path.is_file():
        raise SourceUnavailable(f"the file of connection {connection.name} is not there")
    try:
        database = sqlite3.connect(
            f"file:{quote(str(path.resolve()))}?mode=ro",
            uri=True,
            timeout=_BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
    except sqlite3.OperationalError as error:
        raise translated(error, connection) from error
    database.text_factory = _decoded
    try:
        database.execute("PRAGMA query_only = 1")
        database.execute("PRAGMA case_sensitive_like = 1")
        database.execute("BEGIN")
        yield database
    except sqlite3.Error as error:
        raise translated(error, connection) from error
    finally:
        database.close()


def quote_name(name: str) -> str:
    """Quote an identifier."""
    return '"' + name.replace('"', '""') + '"'


def from_clause(database: sqlite3.Connection, connection: Connection, spec: SourceSpec) -> str:
    """Give the SQL of what the job reads.

    Raises UnknownTable with the nearest names, InvalidValue for a path or a query not allowed.
    """
    if spec.query is not None and connection.allow_query:
        return f"(\n{spec.query.strip().rstrip(';')}\n)"
    if spec.table is None:
        what = "does not allow queries" if spec.query is not None else "has no paths"
        detail = f"connection {connection.name} {what}; name a table"
        raise InvalidValue(detail, [FieldError(spec.pointer, detail)])
    names = [row[0] for row in database.execute(_TABLES)]
    table = _table_named(spec.table, names)
    if table is None:
        detail = f"there is no table {spec.table!r}{nearest_names(spec.table, names)}"
        raise UnknownTable(detail, [FieldError("#/source/table", detail)])
    return f"main.{quote_name(table)}"


def _table_named(text: str, names: Sequence[str]) -> str | None:
    """Find the table as it is spelled, or as `main` and SQL's quotes make of it."""
    readings = [(None, text), *readings_of(text)]
    meant = [name for schema, name in readings if schema in {None, "main"}]
    return next((name for name in meant if name in names), None)


def columns_of(
    database: sqlite3.Connection, spec: SourceSpec, source: str
) -> tuple[ColumnRule, ...]:
    """Give the columns and how their values are read, by what the table declares."""
    if spec.query is None:
        rows = database.execute(f"PRAGMA main.table_xinfo({source.removeprefix('main.')})")
        return tuple(rule_of_declared(row[1], row[2]) for row in rows if row[6] != 1)
    try:
        cursor = database.execute(f"SELECT * FROM {source} LIMIT 0")
    except (sqlite3.OperationalError, sqlite3.ProgrammingError) as error:
        detail = "the source refuses the query; give one SELECT"
        raise InvalidValue(detail, [FieldError("#/source/query", detail)]) from error
    return tuple(rule_of_declared(column[0], "") for column in cursor.description)


def translated(error: sqlite3.Error, connection: Connection) -> SourceError:
    """Translate a failure by SQLite's own code, in words without values or paths."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code in {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}:
        return SourceUnsupported(f"the file of connection {connection.name} is no SQLite database")
    if code in {sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH}:
        return SourceAuth(f"the service may not read the file of connection {connection.name}")
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CANTOPEN}:
        return SourceUnavailable(f"the file of connection {connection.name} is locked or gone")
    return SourceError(f"the database of connection {connection.name} cannot be read")


def _decoded(raw: bytes) -> str:
    return raw.decode(errors="surrogateescape")
