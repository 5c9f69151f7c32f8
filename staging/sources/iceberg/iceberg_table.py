"""Open an Iceberg table at one snapshot, inside the connection's root, and list its data files.

Specification: https://iceberg.apache.org/spec/
"""

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
from pyiceberg.exceptions import ResolveError, ValidationError
from pyiceberg.manifest import (
    DataFile,
    FileFormat,
    ManifestContent,
    ManifestEntry,
    ManifestFile,
    read_manifest_list,
)
from pyiceberg.schema import Schema
from pyiceberg.table.metadata import TableMetadata, TableMetadataUtil
from pyiceberg.transforms import IdentityTransform

from staging.core.errors import SourceChanged, SourceUnsupported
from staging.core.source_spec import SourceSpec
from staging.sources.connection import Connection
from staging.sources.files.finding import folder_of
from staging.sources.files.pins import FilePin
from staging.sources.iceberg.arrow_types import arrow_field
from staging.sources.iceberg.metadata_file import current_metadata
from staging.sources.iceberg.rooted_files import RootedFiles
from staging.sources.iceberg.row_deletes import check_row_deletes
from staging.sources.iceberg.snapshots import chosen_snapshot

_NAME_MAPPING = "schema.name-mapping.default"
_TOTAL_FILES = "total-data-files"
_GZIP = b"\x1f\x8b"
_UNREADABLE = (
    ValidationError,
    ResolveError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    AttributeError,
    AssertionError,
    OverflowError,
    MemoryError,
    RuntimeError,
    SystemError,
    gzip.BadGzipFile,
    zlib.error,
)
"""What pyiceberg raises for metadata that is cut, corrupt, or of another version."""


class OpenedTable:
    """One snapshot of a table."""

    def __init__(self, connection: Connection, spec: SourceSpec) -> None:
        self._name = spec.target
        self._files = RootedFiles(folder_of(connection))
        text = self._metadata_text(current_metadata(connection, spec))
        with self._understood():
            self._metadata = _parsed(self._name, text)
            self._snapshot = chosen_snapshot(self._metadata, spec.version)
            self._schema = self._schema_at(spec.version)
        self._manifests = self._listed_manifests()
        self._check_row_deletes()

    @property
    def snapshot_id(self) -> int | None:
        """The snapshot's id; None if nothing was ever written."""
        return self._snapshot.snapshot_id if self._snapshot else None

    @property
    def names(self) -> Sequence[str]:
        """The names of the columns."""
        return [field.name for field in self._schema.fields]

    @property
    def name_mapping(self) -> Sequence[Mapping[str, Any]] | None:
        """The field ids of files that have none of their own, as the table's properties say."""
        text = self._metadata.properties.get(_NAME_MAPPING)
        with self._understood():
            return json.loads(text) if text else None

    def fields(self, names: Sequence[str]) -> pa.Schema:
        """Give columns with their field ids; raises SourceUnsupported for a type not known here."""
        by_name = {field.name: field for field in self._schema.fields}
        return pa.schema([arrow_field(by_name[name]) for name in names])

    def files(self) -> Iterator[tuple[FilePin, Mapping[int, pa.Scalar]]]:
        """Pin the data files; each with the values, by field id, that its partition has in common.

        Raises SourceChanged if a file is gone or has another size than the snapshot says,
        SourceUnsupported if one lies outside of the root or is not plain Parquet.
        """
        for entry in self._entries(ManifestContent.DATA):
            file = entry.data_file
            if file.file_format != FileFormat.PARQUET or file.key_metadata is not None:
                raise SourceUnsupported(f"{self._name!r} has data files that are not plain Parquet")
            pin = self._files.pin(file.file_path)
            if pin.size != file.file_size_in_bytes:
                raise _changed(pin)
            with self._understood():
                constants = self._constants(file)
            yield pin, constants

    def _metadata_text(self, location: str) -> bytes:
        stored = self._files.read(location)
        with self._understood():
            return gzip.decompress(stored) if stored.startswith(_GZIP) else stored

    def _schema_at(self, version: object) -> Schema:
        """Give the current schema, or the one of the version asked for."""
        number = self._snapshot.schema_id if self._snapshot and version is not None else None
        found = self._metadata.schema_by_id(
            self._metadata.current_schema_id if number is None else number
        )
        if found is None:
            raise ValueError("a schema that is not among the schemas")
        return found

    def _listed_manifests(self) -> Sequence[ManifestFile]:
        if self._snapshot is None:
            return ()
        with self._understood():
            found = list(read_manifest_list(self._files.new_input(self._snapshot.manifest_list)))
            summary = self._snapshot.summary
            if not found and summary is not None and int(summary.get(_TOTAL_FILES) or 0):
                raise ValueError("no manifest, and files")
        return found

    def _check_row_deletes(self) -> None:
        deletes = list(self._entries(ManifestContent.DELETES))
        if deletes:
            check_row_deletes(self._name, deletes, self._entries(ManifestContent.DATA))

    def _entries(self, content: ManifestContent) -> Iterator[ManifestEntry]:
        for manifest in self._manifests:
            if manifest.content == content:
                yield from self._manifest_entries(manifest)

    def _manifest_entries(self, manifest: ManifestFile) -> Sequence[ManifestEntry]:
        """Give the living entries; raises SourceChanged, SourceUnsupported if some are missing."""
        pin = self._files.pin(manifest.manifest_path)
        if pin.size != manifest.manifest_length:
            raise _changed(pin)
        with self._understood():
            entries = manifest.fetch_manifest_entry(self._files)
            added, existing = manifest.added_files_count, manifest.existing_files_count
            if None not in (added, existing) and len(entries) != (added or 0) + (existing or 0):
                raise ValueError("another number of files than the manifest list says")
        return entries

    def _constants(self, file: DataFile) -> Mapping[int, pa.Scalar]:
        """Give the identity values of the file's partition, of columns that are still there."""
        spec = self._metadata.specs()[file.spec_id]
        found = {}
        for i, part in enumerate(spec.fields):
            is_value = isinstance(part.transform, IdentityTransform)
            if is_value and part.source_id in self._schema.field_ids:
                kind = arrow_field(self._schema.find_field(part.source_id)).type
                if pa.types.is_float64(kind):  # pyiceberg 0.12 gives its value as a float's
                    raise SourceUnsupported(f"{self._name!r} is partitioned by a double")
                found[part.source_id] = pa.scalar(file.partition[i], kind)
        return found

    @contextmanager
    def _understood(self) -> Iterator[None]:
        try:
            yield
        except _UNREADABLE as error:
            detail = f"{self._name!r} has metadata that is damaged or of an unknown version"
            raise SourceUnsupported(detail) from error


def _changed(pin: FilePin) -> SourceChanged:
    return SourceChanged(f"{pin.path!r} is not of the size that the snapshot says")


def _parsed(name: str, text: bytes) -> TableMetadata:
    """Read a metadata file; what later versions may add and a reader must know is refused."""
    if json.loads(text).get("encryption-keys"):
        raise SourceUnsupported(f"{name!r} is encrypted, which is not supported")
    return TableMetadataUtil.parse_raw(text.decode())
