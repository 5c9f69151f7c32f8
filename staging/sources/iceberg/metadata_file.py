"""Find the metadata file that is a table's current state: its catalog's word, or the newest file.

Catalogs swap one metadata file for the next: https://iceberg.apache.org/spec/#table-metadata
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from staging.core.errors import FieldError, InvalidValue, SourceUnsupported, UnknownTable
from staging.core.source_spec import SourceSpec
from staging.sources.connection import Connection
from staging.sources.files.finding import checked_path, folder_of
from staging.sources.nearest import nearest_names
from staging.sources.qualified_name import readings_of
from staging.sources.sqlite.database import opened

_FOLDER = "metadata"
_SUFFIX = ".metadata.json"
_NUMBERED = re.compile(r"v?(\d+)(-[^.]*)?(\.gz)?\.metadata\.json")
_MOST_SUGGESTED_FROM = 1_000
_TABLES = """
SELECT table_namespace, table_name, metadata_location FROM iceberg_tables
WHERE metadata_location IS NOT NULL
"""


def current_metadata(connection: Connection, spec: SourceSpec) -> str:
    """Give the location of the table's metadata file.

    Raises UnknownTable with the nearest names, InvalidValue for a form of source that the
    connection does not have or a path that leads outside of the root.
    """
    root = folder_of(connection)
    if connection.catalog is not None:
        return _of_table(replace(connection, path=connection.catalog), spec)
    if spec.table is not None:
        detail = f"connection {connection.name} has no catalog; name a path"
        raise InvalidValue(detail, [FieldError(spec.pointer, detail)])
    return _of_path(root, checked_path(connection, spec))


def _of_table(connection: Connection, spec: SourceSpec) -> str:
    """Ask the catalog, a SQLite file as pyiceberg's and Java's SQL catalogs keep it.

    It is not asked through pyiceberg, which would follow a location out of the root.
    """
    if spec.table is None:
        detail = f"connection {connection.name} has a catalog; name a table of it"
        raise InvalidValue(detail, [FieldError(spec.pointer, detail)])
    tables: dict[tuple[str | None, str], set[str]] = {}
    with opened(connection) as database:
        for namespace, name, location in database.execute(_TABLES):
            tables.setdefault((namespace, name), set()).add(location)
    found = next((each for each in readings_of(spec.table) if each in tables), None)
    if found is None:
        near = nearest_names(spec.table, (f"{namespace}.{name}" for namespace, name in tables))
        detail = f"there is no table {spec.table!r}{near}"
        raise UnknownTable(detail, [FieldError("#/source/table", detail)])
    if len(tables[found]) > 1:
        raise SourceUnsupported(f"two catalogs of the file have a table {spec.table!r}")
    return tables[found].pop()


def _of_path(root: Path, path: str) -> str:
    place = Path(os.path.realpath(root / path))
    if not place.is_relative_to(root.resolve()):
        detail = "the path leads outside of the connection's root"
        raise InvalidValue(detail, [FieldError("#/source/path", detail)])
    if path.endswith(_SUFFIX) and os.path.isfile(place):
        return str(place)
    numbers = _numbered(place / _FOLDER)
    if not numbers:
        detail = f"there is no Iceberg table {path!r}{nearest_names(path, _tables_below(root))}"
        raise UnknownTable(detail, [FieldError("#/source/path", detail)])
    newest = [name for name, number in numbers.items() if number == max(numbers.values())]
    if len(newest) > 1:
        raise SourceUnsupported(
            f"{path!r} has {len(newest)} newest metadata files, and only its catalog knows which "
            "one counts; name one of them, or register the catalog"
        )
    return str(place / _FOLDER / newest[0])


def _numbered(folder: Path) -> Mapping[str, int]:
    """Give the numbers of the metadata files; none of a folder that cannot be listed."""
    try:
        names = os.listdir(folder)
    except OSError:
        names = []
    return {name: int(found[1]) for name in names if (found := _NUMBERED.fullmatch(name))}


def _tables_below(root: Path) -> list[str]:
    return [path for path, _ in zip(_tables(root), range(_MOST_SUGGESTED_FROM), strict=False)]


def _tables(root: Path) -> Iterator[str]:
    for place, folders, _ in os.walk(root):
        if _FOLDER in folders and _numbered(Path(place) / _FOLDER):
            folders.clear()
            yield Path(place).relative_to(root).as_posix()
