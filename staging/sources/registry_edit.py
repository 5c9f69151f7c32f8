"""Edit connections.toml: comments and order stay, a reader sees the old file or the new one."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from staging.core.errors import InvalidValue, UnknownConnection
from staging.sources.connection import Connection, parse_connection
from staging.sources.nearest import nearest_names


def add_connection(path: Path, name: str, fields: Mapping[str, Any]) -> Connection:
    """Add `[connections.NAME]` with these fields, `kind` among them; a missing file is created.

    Raises InvalidValue if the name is taken or a field is wrong; the file is unchanged then.
    """
    document = _document(path)
    if name in document.get("connections", {}):
        raise InvalidValue(f"connection {name} is there already; remove it first")
    added = parse_connection(name, fields, path.parent.absolute())
    table = tomlkit.table()
    for key, value in fields.items():
        table.add(key, value)
    if "connections" not in document:
        document["connections"] = tomlkit.table(is_super_table=True)
    _tables(document)[name] = table
    _write(path, tomlkit.dumps(document))
    return added


def remove_connection(path: Path, name: str) -> None:
    """Remove a connection, a wrong one too.

    Raises UnknownConnection with the nearest names.
    """
    document = _document(path)
    names = list(document.get("connections", {}))
    if name not in names:
        raise UnknownConnection(f"there is no connection {name!r}{nearest_names(name, names)}")
    _tables(document).pop(name)
    _write(path, tomlkit.dumps(document))


def _tables(document: tomlkit.TOMLDocument) -> Any:
    return document["connections"]


def _document(path: Path) -> tomlkit.TOMLDocument:
    try:
        return tomlkit.parse(path.read_text())
    except FileNotFoundError:
        return tomlkit.document()
    except (TOMLKitError, UnicodeDecodeError):
        raise InvalidValue(f"{path.name} is not valid TOML; mend it first") from None


def _write(path: Path, text: str) -> None:
    """Replace the file at once; its permissions stay, a new one is its owner's alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as new:
        new.write(text)
    Path(new.name).chmod(mode)
    Path(new.name).replace(path)
