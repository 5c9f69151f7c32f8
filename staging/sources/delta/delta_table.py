"""Open a Delta table at one version, inside the connection's root, and list its data files.

Protocol: https://github.com/delta-io/delta/blob/master/PROTOCOL.md
"""

import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from staging.core.errors import (
    FieldError,
    InvalidValue,
    SourceChanged,
    SourceError,
    SourceUnsupported,
    UnknownTable,
)
from staging.core.source_spec import SourceSpec
from staging.sources.connection import Connection
from staging.sources.files.finding import checked_path
from staging.sources.files.local_root import LocalRoot
from staging.sources.files.pins import FilePin
from staging.sources.files.plain_types import plain_schema
from staging.sources.nearest import nearest_names
from staging.sources.s3_prefix import S3Prefix

_LOG = "_delta_log"
_VERSION = "#/source/version"
_KNOWN_FEATURES = frozenset(
    {"columnMapping", "deletionVectors", "timestampNtz", "v2Checkpoint", "vacuumProtocolCheck"}
)
"""Reader features that change nothing, or of whose use each table is asked."""
_MOST_SUGGESTED_FROM = 1_000


class OpenedTable:
    """One version of a table; `path` starts at the connection's root."""

    def __init__(self, connection: Connection, spec: SourceSpec) -> None:
        assert not isinstance(connection.root, S3Prefix)
        self.root = LocalRoot(connection.name, connection.root or Path())
        self.root.check()
        self.path = checked_path(connection, spec)
        self._table = _at_version(
            _opened(self.root, self.path), spec.version, self.root.folder / self.path
        )
        _check_features(self._table, self.path)

    @property
    def version(self) -> int:
        """The table's version."""
        return int(self._table.version())

    @property
    def schema(self) -> pa.Schema:
        """The table's columns, those that it is partitioned by too."""
        return plain_schema(pa.schema(self._table.schema().to_arrow()))

    def files(self) -> Iterator[tuple[FilePin, Mapping[str, str | None]]]:
        """Pin the data files; each with the values, as text, of the partition it belongs to.

        Raises SourceChanged if a file is gone, SourceUnsupported if one lies elsewhere.
        """
        added = pa.table(self._table.get_add_actions(flatten=True))
        keys = [name for name in added.column_names if name.startswith("partition.")]
        for row in added.select(["path", *keys]).cast(_as_text(added, keys)).to_pylist():
            name = f"{self.path}/{unquote(row['path'])}"
            pin = self.root.pin(name)
            if pin is None:
                raise self._not_there(name)
            yield pin, {key.removeprefix("partition."): row[key] for key in keys}

    def _not_there(self, name: str) -> SourceError:
        if os.path.lexists(self.root.folder / name):
            return SourceUnsupported(f"{self.path!r} has data files outside of the root")
        return SourceChanged(f"{self.path!r} lacks a data file of version {self.version}: vacuumed")


def _as_text(added: pa.Table, keys: list[str]) -> pa.Schema:
    return pa.schema([("path", added.schema.field("path").type), *((k, pa.string()) for k in keys)])


def _opened(root: LocalRoot, path: str) -> DeltaTable:
    place = root.check_inside(path)
    if not (place / _LOG).is_dir():
        detail = (
            f"there is no Delta table {path!r}{nearest_names(path, _tables_below(root.folder))}"
        )
        raise UnknownTable(detail, [FieldError("#/source/path", detail)])
    try:
        return DeltaTable(str(place.resolve()))
    except (DeltaError, TableNotFoundError, OSError, ValueError) as error:
        raise SourceUnsupported(f"{path!r} has a log that cannot be read") from error


def _tables_below(root: Path) -> list[str]:
    found: list[str] = []
    for place, folders, _ in os.walk(root):
        if _LOG in folders:
            found.append(Path(place).relative_to(root).as_posix())
            folders.clear()
        if len(found) == _MOST_SUGGESTED_FROM:
            break
    return found


def _at_version(table: DeltaTable, asked: object, place: Path) -> DeltaTable:
    """Go to a version by its number, or to the one that was current at a time."""
    if asked is None:
        return table
    newest = table.version()
    if isinstance(asked, bool) or not isinstance(asked, int | str):
        raise _bad_version(newest)
    if isinstance(asked, int) and not 0 <= asked <= newest:
        raise _bad_version(newest)
    try:
        table.load_as_version(asked)
        # For a time before the first version the library gives the first.
        is_there = isinstance(asked, int) or _written_at(place, table.version()) <= _moment(asked)
    except (DeltaError, OSError, ValueError) as error:
        raise _bad_version(newest) from error
    if not is_there:
        raise _bad_version(newest)
    return table


def _written_at(place: Path, version: int) -> datetime:
    """Give when a version was committed: the time of its file in the log, as the library has it."""
    written = (place / _LOG / f"{version:020}.json").stat().st_mtime
    return datetime.fromtimestamp(written, UTC)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _bad_version(newest: int) -> InvalidValue:
    detail = (
        f"the table has the versions 0 to {newest}, as far as its log was kept; "
        "give a number, or a time as text, 2026-01-02T03:04:05Z"
    )
    return InvalidValue(detail, [FieldError(_VERSION, detail)])


def _check_features(table: DeltaTable, path: str) -> None:
    """Refuse what reading the data files alone would get wrong."""
    features = set(table.protocol().reader_features or ())
    if unknown := features - _KNOWN_FEATURES:
        raise SourceUnsupported(f"{path!r} needs the reader feature {min(unknown)}")
    mapping = table.metadata().configuration.get("delta.columnMapping.mode", "none")
    if mapping != "none":
        raise SourceUnsupported(f"{path!r} maps its columns by {mapping}, which is not supported")
    if "deletionVectors" in features and _has_deletion_vectors(table):
        raise SourceUnsupported(f"{path!r} has deletion vectors; rewrite its files without them")


def _has_deletion_vectors(table: DeltaTable) -> bool:
    try:
        return any(
            batch.num_rows for batch in pa.RecordBatchReader.from_stream(table.deletion_vectors())
        )
    except (DeltaError, OSError, pa.ArrowException):
        return True
