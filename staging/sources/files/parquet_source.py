"""Parquet files as a source: a file is a partition, a big one is cut between row groups."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa

from staging.core.errors import SourceUnsupported
from staging.core.manifest import Snapshot, SnapshotClass
from staging.core.source_spec import SourceSpec
from staging.sources.arrow_filters import filter_expression
from staging.sources.column_choice import choose_columns
from staging.sources.connection import Connection
from staging.sources.files.finding import find_files, root_of
from staging.sources.files.parquet_file import opened
from staging.sources.files.parquet_reading import ParquetReading
from staging.sources.files.pins import FilePin, pinned_snapshot
from staging.sources.files.plain_types import plain_schema
from staging.sources.files.row_groups import cut_row_groups
from staging.sources.sizing import Sizing
from staging.sources.source import ReadRequest, Split

_SUFFIXES = (".parquet", ".pq", ".parq")
_FILES_AT_ONCE = 8
"""To open one is mostly to wait for the store."""
_FILES_ASKED_FOR = 256
"""So few are opened in vain when one of them is refused."""


class ParquetSource:
    """The Parquet files of one root; see staging.sources.source.Source."""

    snapshot_class = SnapshotClass.PINNED

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._root = root_of(connection)

    def describe(self, spec: SourceSpec) -> pa.Schema:
        """Give the schema of the first file; the others are compared with it when it is split."""
        pins = find_files(self._connection, self._root, spec, _SUFFIXES)
        return self._chosen(spec, self._file_schema(pins[0]))

    def hold(self, exports: Sequence[str]) -> None:
        """Hold nothing: files are pinned."""

    def split(
        self,
        spec: SourceSpec,
        snapshot: Snapshot | None,  # noqa: ARG002 - files are pinned here
        sizing: Sizing,
    ) -> Split:
        """Pin the files and cut those that are larger than the target between row groups."""
        pins = find_files(self._connection, self._root, spec, _SUFFIXES)
        first = self._file_schema(pins[0])

        def cut(pin: FilePin) -> list[Mapping[str, Any]]:
            sizing.check()
            with opened(self._root, pin) as file:
                _check_same(plain_schema(file.schema_arrow), first, pin)
                cuts = cut_row_groups(file.metadata, sizing.target_bytes)
            return [pin.to_json() | {"row_groups": groups} for groups in cuts]

        bounds: list[Mapping[str, Any]] = []
        with ThreadPoolExecutor(_FILES_AT_ONCE) as pool:
            for start in range(0, len(pins), _FILES_ASKED_FOR):
                for cuts in pool.map(cut, pins[start : start + _FILES_ASKED_FOR]):
                    bounds += cuts
        return Split(self._chosen(spec, first), pinned_snapshot(pins), tuple(bounds))

    def read(self, request: ReadRequest) -> ParquetReading:
        """Open one file or some of its row groups."""
        return ParquetReading(self._root, request)

    def _file_schema(self, pin: FilePin) -> pa.Schema:
        with opened(self._root, pin) as file:
            return plain_schema(file.schema_arrow)

    def _chosen(self, spec: SourceSpec, schema: pa.Schema) -> pa.Schema:
        chosen = choose_columns(spec, schema.names)
        filter_expression(spec, schema)
        return pa.schema([schema.field(name) for name in chosen])


def _check_same(schema: pa.Schema, first: pa.Schema, pin: FilePin) -> None:
    if {field.name: field.type for field in schema} != {f.name: f.type for f in first}:
        raise SourceUnsupported(f"{pin.path!r} has other columns or types than the first file")
