"""The registry of connections, `connections.toml`, reread whenever it changes."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from staging.core.errors import FieldError, InvalidValue, Unavailable, UnknownConnection
from staging.sources.connection import Connection, parse_connection
from staging.sources.nearest import nearest_names

__all__ = ["Connection", "Connections", "connection_tables"]

_PLACE = re.compile(r"at line \d+, column \d+|at end of document")
_POINTER = "#/source/connection"
_Version = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class _Registry:
    version: _Version | None = None
    connections: Mapping[str, Connection] = field(default_factory=dict)
    problems: Mapping[str, InvalidValue] = field(default_factory=dict)
    problem_orgs: Mapping[str, Any] = field(default_factory=dict)

    def may_know(self, name: str, org_id: int) -> bool:
        """Tell whether an invalid connection is this organisation's, as far as can be read."""
        orgs = self.problem_orgs[name]
        return orgs is None or (isinstance(orgs, list) and org_id in orgs)


class Connections:
    """The connections of one file; a missing file has none.  Safe for threads.

    One invalid connection does not hide the others: only asking for it raises.  Every method
    raises InvalidValue without a pointer if the file is no TOML, Unavailable if it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        self._registry = _Registry()

    def get(self, org_id: int, name: str) -> Connection:
        """Give the organisation's connection of that name, its password not yet read.

        Raises UnknownConnection with the nearest names, InvalidValue if the file's entry is wrong.
        """
        registry = self._current()
        found = registry.connections.get(name)
        if found is not None and found.serves(org_id):
            return found
        if name in registry.problems and registry.may_know(name, org_id):
            problem = registry.problems[name].detail
            raise InvalidValue(problem, [FieldError(_POINTER, problem)])
        near = nearest_names(name, [each.name for each in self.list(org_id)])
        detail = f"there is no connection {name!r}{near}"
        raise UnknownConnection(detail, [FieldError(_POINTER, detail)])

    def list(self, org_id: int) -> list[Connection]:
        """List the connections that the organisation may use, by name."""
        found = self._current().connections.values()
        return sorted((each for each in found if each.serves(org_id)), key=lambda each: each.name)

    def all(self) -> Sequence[Connection]:
        """List every valid connection, for the operator."""
        return tuple(self._current().connections.values())

    def problems(self) -> Mapping[str, str]:
        """Tell what is wrong with the invalid connections, by name."""
        return {name: each.detail for name, each in self._current().problems.items()}

    def _current(self) -> _Registry:
        with self._lock:
            version = _version(self._path)
            if version != self._registry.version:
                self._registry = _read(self._path, version)
            return self._registry


def _version(path: Path) -> _Version | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(path) from error
    return found.st_mtime_ns, found.st_size, found.st_ino


def _read(path: Path, version: _Version | None) -> _Registry:
    connections: dict[str, Connection] = {}
    problems: dict[str, InvalidValue] = {}
    problem_orgs: dict[str, Any] = {}
    for name, table in connection_tables(path).items() if version else ():
        try:
            if not isinstance(table, dict):
                raise InvalidValue(f"connection {name}: must be a table")
            connections[name] = parse_connection(name, table, path.parent.absolute())
        except InvalidValue as problem:
            problems[name] = problem
            problem_orgs[name] = table.get("orgs") if isinstance(table, dict) else None
    return _Registry(version, connections, problems, problem_orgs)


def connection_tables(path: Path) -> Mapping[str, Any]:
    """Read the file's entries, unchecked.

    Raises InvalidValue if it is no TOML, FileNotFoundError, and Unavailable if it is there and
    cannot be read.
    """
    try:
        tables = tomllib.loads(path.read_text()).get("connections", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as wrong:
        place = _PLACE.search(str(wrong))
        where = f" ({place[0]})" if place else ""
        detail = f"{path.name} is not valid TOML{where}; no connection can be used"
        raise InvalidValue(detail) from None
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _unreadable(path) from error
    if not isinstance(tables, dict):
        raise InvalidValue(f"{path.name}: connections must be a table")
    return tables


def _unreadable(path: Path) -> Unavailable:
    return Unavailable(f"{path.name} cannot be read; no connection can be used")
