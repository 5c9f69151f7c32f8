"""Open a DuckDB file to read it, and see that it stays the file that was planned."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from staging.core.errors import (
    SourceChanged,
    SourceError,
    SourceUnavailable,
    SourceUnsupported,
)
from staging.sources.connection import Connection
from staging.sources.files.pins import FilePin, pin_file

_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    # A view may not lead to other files, nor a sort spill beside the database.
    "enable_external_access": "false",
    "temp_directory": "",
    "memory_limit": "1GB",
    # A read runs in the thread that fetches it.
    "threads": "1",
}


@contextmanager
def opened(connection: Connection) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the file read-only, in UTC, cut off from every other file.

    Raises SourceUnavailable if it is not there or has a writer, SourceUnsupported if it is no
    DuckDB database that this version reads, SourceError for what fails inside.
    """
    path = connection.path or Path()
    if not path.is_file():
        raise SourceUnavailable(f"the file of connection {connection.name} is not there")
    try:
        database = duckdb.connect(str(path.resolve()), read_only=True, config=_CONFIG)
    except duckdb.Error as error:
        raise _unopened(error, connection) from error
    try:
        database.execute("SET TimeZone = 'UTC'")
        yield database
    except duckdb.Error as error:
        detail = f"the database of connection {connection.name} cannot be read"
        raise SourceError(f"{detail} ({type(error).__name__})") from error
    finally:
        database.close()


def pins_of(connection: Connection) -> list[FilePin]:
    """Pin the file, and its write-ahead log if there is one."""
    path = (connection.path or Path()).resolve()
    found = (pin_file(path.parent, name) for name in (path.name, f"{path.name}.wal"))
    return [pin for pin in found if pin is not None]


def check_pins(connection: Connection, pinned: list[dict[str, Any]]) -> None:
    """Raise SourceChanged unless the files are those of the plan."""
    if pins_of(connection) != [FilePin.from_json(each) for each in pinned]:
        raise SourceChanged(f"the file of connection {connection.name} changed after planning")


def _unopened(error: duckdb.Error, connection: Connection) -> SourceError:
    """Translate by the message: DuckDB has one class for a lock and for a wrong format."""
    if "lock" in str(error):
        return SourceUnavailable(f"the file of connection {connection.name} has a writer")
    return SourceUnsupported(
        f"the file of connection {connection.name} is no DuckDB database that "
        f"DuckDB {duckdb.__version__} reads"
    )
