"""Delta tables as a source: a version is pinned, its data files are the partitions."""

from base64 import b64encode
from collections.abc import Iterator, Sequence

import pyarrow as pa

from staging.core.manifest import Snapshot, SnapshotClass
from staging.core.source_spec import SourceSpec
from staging.sources.arrow_filters import filter_expression
from staging.sources.column_choice import choose_columns
from staging.sources.connection import Connection
from staging.sources.delta.delta_reading import DeltaReading
from staging.sources.delta.delta_table import OpenedTable
from staging.sources.files.finding import root_of
from staging.sources.files.parquet_file import opened
from staging.sources.files.pins import FilePin
from staging.sources.files.root import Root
from staging.sources.files.row_groups import cut_row_groups
from staging.sources.sizing import Sizing
from staging.sources.source import ReadRequest, Split


class DeltaSource:
    """The Delta tables below one root; see staging.sources.source.Source."""

    snapshot_class = SnapshotClass.PINNED

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def describe(self, spec: SourceSpec) -> pa.Schema:
        """Give the schema of the table's version."""
        return _chosen(spec, OpenedTable(self._connection, spec).schema)

    def hold(self, exports: Sequence[str]) -> None:
        """Hold nothing: data files are never changed, only removed by a vacuum."""

    def split(
        self,
        spec: SourceSpec,
        snapshot: Snapshot | None,  # noqa: ARG002 - the version is pinned here
        sizing: Sizing,
    ) -> Split:
        """Pin the version's files and cut those that are larger than the target."""
        table = OpenedTable(self._connection, spec)
        schema = _chosen(spec, table.schema)
        needed = dict.fromkeys([*schema.names, *(each.column for each in spec.filters)])
        types = pa.schema([table.schema.field(name) for name in needed])
        shared = {"schema": b64encode(types.serialize()).decode()}
        bounds = tuple(
            pin.to_json() | shared | {"row_groups": groups, "constants": constants}
            for pin, constants in table.files()
            for groups in _cuts(table.root, pin, sizing)
        )
        return Split(schema, Snapshot(SnapshotClass.PINNED, str(table.version)), bounds)

    def read(self, request: ReadRequest) -> DeltaReading:
        """Open one data file or some of its row groups."""
        return DeltaReading(root_of(self._connection), request)


def _cuts(root: Root, pin: FilePin, sizing: Sizing) -> Iterator[list[int] | None]:
    """Give half-open runs of row groups; None is the whole file, which is then not opened."""
    sizing.check()
    if pin.size <= sizing.target_bytes:
        yield None
        return
    with opened(root, pin) as file:
        yield from cut_row_groups(file.metadata, sizing.target_bytes)


def _chosen(spec: SourceSpec, schema: pa.Schema) -> pa.Schema:
    chosen = choose_columns(spec, schema.names)
    filter_expression(spec, schema)
    return pa.schema([schema.field(name) for name in chosen])
