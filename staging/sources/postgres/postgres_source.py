"""Postgres as a source: one exported snapshot, cut by pages."""

from collections.abc import Sequence

import pyarrow as pa

from staging.core.manifest import Snapshot, SnapshotClass
from staging.core.source_spec import SourceSpec
from staging.sources.connection import Connection
from staging.sources.postgres.bounds import ReadBounds, batch_rows_for, stride_for
from staging.sources.postgres.pages import cut_pages
from staging.sources.postgres.reading import PostgresReading
from staging.sources.postgres.session import asking
from staging.sources.postgres.size_estimate import StoredFiles, estimate_size, stored_files
from staging.sources.postgres.snapshot import (
    SnapshotHolder,
    begin_in,
    exports_of,
    hold_snapshot,
)
from staging.sources.postgres.statement import Statement, compile_statement
from staging.sources.sizing import Sizing
from staging.sources.source import ReadRequest, Split

_BEST_EFFORT = Snapshot(SnapshotClass.BEST_EFFORT)


class PostgresSource:
    """One Postgres database; see staging.sources.source.Source."""

    snapshot_class = SnapshotClass.EXPORTED

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def describe(self, spec: SourceSpec) -> pa.Schema:
        """Give the schema of the job, checked against the server's catalogue."""
        with asking(self._connection, "staging describe") as session:
            return compile_statement(session, self._connection, spec).schema

    def hold(self, exports: Sequence[str]) -> SnapshotHolder:
        """Export a new snapshot, or keep alive the one that was exported."""
        return hold_snapshot(self._connection, exports)

    def split(self, spec: SourceSpec, snapshot: Snapshot | None, sizing: Sizing) -> Split:
        """Cut the table into page ranges; a view, a foreign table or a query stays whole.

        So does a table that a single reader must read.
        """
        kept = snapshot or _BEST_EFFORT
        exports = exports_of(kept)
        with asking(self._connection, "staging plan") as session:
            statement = compile_statement(session, self._connection, spec)
            if exports:
                begin_in(session, exports)
            relation = statement.target.relation
            files = stored_files(session, relation.oid) if relation else None
        bounds = [ReadBounds()]
        if statement.target.is_table and files is not None and files.has_pages:
            is_single = kept.snapshot_class is SnapshotClass.SINGLE_READER
            bounds = self._cut(statement, exports, files, sizing, is_single=is_single)
        return Split(statement.schema, kept, tuple(each.to_json() for each in bounds))

    def read(self, request: ReadRequest) -> PostgresReading:
        """Open one partition."""
        return PostgresReading(self._connection, request)

    def _cut(
        self,
        statement: Statement,
        exports: Sequence[str],
        files: StoredFiles,
        sizing: Sizing,
        *,
        is_single: bool,
    ) -> list[ReadBounds]:
        size = estimate_size(self._connection, statement, exports, files, sizing)
        parts = 1 if is_single else sizing.parts(size.parquet_bytes)
        return [
            ReadBounds(
                pages,
                batch_rows_for(size.row_bytes),
                stride_for(size.row_bytes, size.page_bytes),
                max(files.pages),
                size.zero_columns,
            )
            for pages in cut_pages(files.pages, parts)
        ]
