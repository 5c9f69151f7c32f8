"""Open a Delta table at one version, inside the connection's root, and list its data files.

Protocol: https://github.com/delta-io/delta/blob/master/PROTOCOL.md
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
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
from staging.sources.delta.store_address import storage_options, table_url
from staging.sources.files.finding import checked_path, root_of
from staging.sources.files.local_root import LocalRoot
from staging.sources.files.pins import FilePin
from staging.sources.files.plain_types import plain_schema
from staging.sources.files.root import Root
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
        self.root = root_of(connection)
        self.path = checked_path(connection, spec)
        self._table = _opened(connection, self.root, self.path)
        _go_to_version(self._table, spec.version, self.root, self.path)
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
        rows = added.select(["path", *keys]).cast(_as_text(added, keys)).to_pylist()
        names = [unquote(row["path"]) for row in rows]
        pins = self.root.pins(_inside(self.path, name) for name in names)
        for name, row, pin in zip(names, rows, pins, strict=True):
            if pin is None:
                raise self._not_there(name)
            yield pin, {key.removeprefix("partition."): row[key] for key in keys}

    def _not_there(self, name: str) -> SourceError:
        is_link = isinstance(self.root, LocalRoot) and self.root.is_taken(f"{self.path}/{name}")
        if is_link or "://" in name or name.startswith("/") or ".." in name.split("/"):
            return SourceUnsupported(f"{self.path!r} has data files outside of the root")
        return SourceChanged(f"{self.path!r} lacks a data file of version {self.version}: vacuumed")


def _inside(path: str, name: str) -> str:
    return name if path == "." else f"{path}/{name}"


def _as_text(added: pa.Table, keys: list[str]) -> pa.Schema:
    return pa.schema([("path", added.schema.field("path").type), *((k, pa.string()) for k in keys)])


def _opened(connection: Connection, root: Root, path: str) -> DeltaTable:
    if not root.has_folder(_inside(path, _LOG)):
        near = nearest_names(path, islice(root.folders_with(_LOG), _MOST_SUGGESTED_FROM))
        detail = f"there is no Delta table {path!r}{near}"
        raise UnknownTable(detail, [FieldError("#/source/path", detail)])
    place = connection.root
    try:
        if isinstance(place, S3Prefix):
            return DeltaTable(table_url(place, path), storage_options=storage_options(place))
        return DeltaTable(str(((place or Path()) / path).resolve()))
    except (DeltaError, TableNotFoundError, OSError, ValueError) as error:
        root.has_folder(path)  # a root that does not answer any more says so
        raise SourceUnsupported(f"{path!r} has a log that cannot be read") from error


def _go_to_version(table: DeltaTable, asked: object, root: Root, path: str) -> None:
    """Go to a version by its number, or to the one that was current at a time."""
    if asked is None:
        return
    newest = table.version()
    if isinstance(asked, bool) or not isinstance(asked, int | str):
        raise _bad_version(newest)
    if isinstance(asked, int) and not 0 <= asked <= newest:
        raise _bad_version(newest)
    try:
        table.load_as_version(asked)
        # For a time before the first version the library gives the first.
        is_there = isinstance(asked, int) or _written_at(root, path, table) <= _moment(asked)
    except (DeltaError, OSError, ValueError) as error:
        root.has_folder(path)
        raise _bad_version(newest) from error
    if not is_there:
        raise _bad_version(newest)


def _written_at(root: Root, path: str, table: DeltaTable) -> datetime:
    """Give when a version was committed: the time of its file in the log, as the library has it."""
    return root.changed_at(_inside(path, f"{_LOG}/{table.version():020}.json"))


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
