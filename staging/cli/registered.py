"""The operator's view of connections.toml: every connection, whoever may use it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from staging.core.errors import InvalidValue, UnknownConnection
from staging.local.folder import StateFolder
from staging.local.runfile import living_run
from staging.settings import Settings
from staging.sources.connection import Connection, parse_connection
from staging.sources.connections import connection_tables
from staging.sources.nearest import nearest_names


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the file: a connection, or why it is none."""

    name: str
    connection: Connection | None
    problem: str | None = None


def connections_file(chosen: Settings) -> Path:
    """Give the file that the settings name, else that of the stack that runs here."""
    if "connections" not in chosen.model_fields_set:
        run = living_run(StateFolder(chosen.state_dir.absolute()))
        place = run.environment.get("STAGING_CONNECTIONS") if run else None
        if place:
            return Path(place)
    return chosen.connections.absolute()


def entries(path: Path) -> Iterator[Entry]:
    """Give every entry, by name; raises InvalidValue if the file is no TOML."""
    try:
        tables = connection_tables(path)
    except FileNotFoundError:
        return
    for name, table in sorted(tables.items()):
        try:
            yield Entry(name, parse_connection(name, table, path.parent.absolute()))
        except InvalidValue as wrong:
            yield Entry(name, None, wrong.detail)


def registered(path: Path, name: str) -> Connection:
    """Give one connection; raises UnknownConnection with the nearest names, InvalidValue."""
    found = {entry.name: entry for entry in entries(path)}
    if name not in found:
        raise UnknownConnection(f"there is no connection {name!r}{nearest_names(name, found)}")
    entry = found[name]
    if entry.connection is None:
        raise InvalidValue(entry.problem)
    return entry.connection


def place(connection: Connection) -> str:
    """Say where a connection leads, without any secret."""
    if connection.host:
        port = f":{connection.port}" if connection.port else ""
        return f"{connection.user}@{connection.host}{port}/{connection.database}"
    return str(connection.root or connection.path or connection.database)
