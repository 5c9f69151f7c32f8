"""Iceberg tables as a source: a snapshot is pinned, its data files are the partitions."""

from base64 import b64encode
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, cast

import pyarrow as pa

from staging.core.manifest import Snapshot, SnapshotClass
from staging.core.source_spec import SourceSpec
from staging.sources.arrow_filters import filter_expression
from staging.sources.column_choice import choose_columns
from staging.sources.connection import Connection
from staging.sources.files.finding import root_of
from staging.sources.files.parquet_file import opened
from staging.sources.files.pins import FilePin
from staging.sources.files.root import Root
from staging.sources.files.row_groups import cut_row_groups
from staging.sources.iceberg.constants import packed
from staging.sources.iceberg.field_ids import without_ids
from staging.sources.iceberg.iceberg_reading import IcebergReading
from staging.sources.sizing import Sizing
from staging.sources.source import ReadRequest, Split

if TYPE_CHECKING:
    from staging.sources.iceberg.iceberg_table import OpenedTable


class IcebergSource:
    """The Iceberg tables below one root; see staging.sources.source.Source."""

    snapshot_class = SnapshotClass.PINNED

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def describe(self, spec: SourceSpec) -> pa.Schema:
        """Give the schema of the table's snapshot."""
        return _plan(_opened(self._connection, spec), spec)[0]

    def hold(self, exports: Sequence[str]) -> None:
        """Hold nothing: data files are never changed, only removed when a snapshot expires."""

    def split(
        self,
        spec: SourceSpec,
        snapshot: Snapshot | None,  # noqa: ARG002 - the snapshot is pinned here
        sizing: Sizing,
    ) -> Split:
        """Pin the snapshot's files and cut those that are larger than the target."""
        table = _opened(self._connection, spec)
        schema, fields = _plan(table, spec)
        root = root_of(self._connection)
        shared = {
            "schema": b64encode(fields.serialize()).decode(),
            "name_mapping": table.name_mapping,
        }
        bounds = tuple(
            pin.to_json() | shared | {"row_groups": groups, "constants": packed(constants)}
            for pin, constants in table.files()
            for groups in _cuts(root, pin, sizing)
        )
        number = table.snapshot_id
        value = str(number) if number is not None else None
        return Split(schema, Snapshot(SnapshotClass.PINNED, value), bounds)

    def read(self, request: ReadRequest) -> IcebergReading:
        """Open one data file or some of its row groups."""
        return IcebergReading(root_of(self._connection), request)


def _opened(connection: Connection, spec: SourceSpec) -> "OpenedTable":
    """Open the table; only this needs pyiceberg, which extraction tasks are to be spared."""
    module = import_module("staging.sources.iceberg.iceberg_table")
    return cast("OpenedTable", module.OpenedTable(connection, spec))


def _plan(table: "OpenedTable", spec: SourceSpec) -> tuple[pa.Schema, pa.Schema]:
    """Give the job's schema, and the fields with ids of all columns that it needs."""
    chosen = choose_columns(spec, table.names)
    needed = dict.fromkeys([*chosen, *(each.column for each in spec.filters)])
    fields = table.fields(list(needed))
    plain = pa.schema([pa.field(field.name, without_ids(field.type)) for field in fields])
    filter_expression(spec, plain)
    return pa.schema([plain.field(name) for name in chosen]), fields


def _cuts(root: Root, pin: FilePin, sizing: Sizing) -> Iterator[list[int] | None]:
    """Give half-open runs of row groups; None is the whole file, which is then not opened."""
    sizing.check()
    if pin.size <= sizing.target_bytes:
        yield None
        return
    with opened(root, pin) as file:
        yield from cut_row_groups(file.metadata, sizing.target_bytes)
