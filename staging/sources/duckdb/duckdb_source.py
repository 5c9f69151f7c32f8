"""DuckDB as a source: the file is pinned, a table is cut into ranges of its row ids."""

from collections.abc import Sequence
from itertools import pairwise

import duckdb
import pyarrow as pa

from staging.core.manifest import Snapshot, SnapshotClass
from staging.core.source_spec import SourceSpec
from staging.sources.connection import Connection
from staging.sources.duckdb.database import check_pins, opened, pins_of
from staging.sources.duckdb.duckdb_reading import DuckdbReading
from staging.sources.duckdb.selection import Selection, select
from staging.sources.files.pins import pinned_snapshot
from staging.sources.sizing import Sizing
from staging.sources.source import ReadRequest, Split

_SAMPLES = 3
_SAMPLE_ROWS = 4_096
_BATCH_BYTES = 16 * 1024 * 1024
_MOST_BATCH_ROWS = 122_880
_BLIND_BATCH_ROWS = 8_192
"""Of a view or query, which may take long to give its first row, nothing is looked at."""


class DuckdbSource:
    """One DuckDB file; see staging.sources.source.Source."""

    snapshot_class = SnapshotClass.PINNED

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def describe(self, spec: SourceSpec) -> pa.Schema:
        """Give the schema that the table's types make."""
        with opened(self._connection) as database:
            return select(database, self._connection, spec).schema

    def hold(self, exports: Sequence[str]) -> None:
        """Hold nothing: the file is pinned."""

    def split(
        self,
        spec: SourceSpec,
        snapshot: Snapshot | None,  # noqa: ARG002 - the file is pinned here
        sizing: Sizing,
    ) -> Split:
        """Pin the file and cut a table into ranges; views and queries are left whole."""
        pins = pins_of(self._connection)
        pinned = [pin.to_json() for pin in pins]
        with opened(self._connection) as database:
            selection = select(database, self._connection, spec)
            ranges, batch_rows = _ranges(database, selection, sizing)
        check_pins(self._connection, pinned)
        bounds = tuple({"pins": pinned, "rows": each, "batch_rows": batch_rows} for each in ranges)
        return Split(selection.schema, pinned_snapshot(pins), bounds)

    def read(self, request: ReadRequest) -> DuckdbReading:
        """Open one range of rows."""
        return DuckdbReading(self._connection, request)


def _ranges(
    database: duckdb.DuckDBPyConnection, selection: Selection, sizing: Sizing
) -> tuple[list[list[int] | None], int]:
    """Give half-open ranges of row ids, or one that is all, and the rows of a batch."""
    if not selection.has_row_ids:
        return [None], _BLIND_BATCH_ROWS
    counted = database.execute(
        f"SELECT count(*) FILTER ({selection.condition}), coalesce(max(rowid), -1) + 1"
        f" FROM {selection.source}",
        selection.values,
    ).fetchone()
    assert counted is not None
    count, end = counted
    starts = sorted({end * i // _SAMPLES for i in range(_SAMPLES)})
    sample = _sample(database, selection, [[start, start + _SAMPLE_ROWS] for start in starts])
    rows = sum(batch.num_rows for batch in sample)
    parts = sizing.parts(sizing.encoded_bytes(sample) / rows * count) if rows else 1
    edges = [end * part // parts for part in range(parts + 1)]
    return [[first, last] for first, last in pairwise(edges)], _batch_rows(sample)


def _sample(
    database: duckdb.DuckDBPyConnection, selection: Selection, ranges: Sequence[list[int]]
) -> list[pa.RecordBatch]:
    found: list[pa.RecordBatch] = []
    for each in ranges:
        sql = f"{selection.sql(each)} LIMIT {_SAMPLE_ROWS}"
        batches = database.execute(sql, selection.values).to_arrow_table().to_batches()
        found += [
            batch.select(range(len(selection.schema))).cast(selection.schema)
            for batch in batches
            if batch.num_rows
        ]
    return found


def _batch_rows(sample: Sequence[pa.RecordBatch]) -> int:
    rows = sum(batch.num_rows for batch in sample)
    if not rows:
        return _MOST_BATCH_ROWS
    row_bytes = sum(batch.nbytes for batch in sample) / rows
    return max(1, min(_MOST_BATCH_ROWS, int(_BATCH_BYTES / max(1.0, row_bytes))))
