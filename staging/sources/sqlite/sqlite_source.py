"""SQLite as a source: one partition, read in one transaction."""

import sqlite3
from collections.abc import Sequence

import pyarrow as pa

from staging.core.manifest import Snapshot, SnapshotClass
from staging.core.source_spec import SourceSpec
from staging.sources.connection import Connection
from staging.sources.sizing import Sizing
from staging.sources.source import ReadRequest, Split
from staging.sources.sqlite.database import opened
from staging.sources.sqlite.selection import select
from staging.sources.sqlite.sqlite_reading import SqliteReading


class SqliteSource:
    """One SQLite file; see staging.sources.source.Source."""

    snapshot_class = SnapshotClass.SINGLE_READER

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def describe(self, spec: SourceSpec) -> pa.Schema:
        """Give the schema that the table's declared types make."""
        with opened(self._connection) as database:
            return self._schema(database, spec)

    def hold(self, exports: Sequence[str]) -> None:
        """Hold nothing: one transaction reads all."""

    def split(
        self,
        spec: SourceSpec,
        snapshot: Snapshot | None,  # noqa: ARG002 - the reader's own transaction is the snapshot
        sizing: Sizing,  # noqa: ARG002 - one reader reads all
    ) -> Split:
        """Leave the table whole."""
        return Split(self.describe(spec), Snapshot(SnapshotClass.SINGLE_READER), ({},))

    def read(self, request: ReadRequest) -> SqliteReading:
        """Open the table."""
        return SqliteReading(self._connection, request)

    def _schema(self, database: sqlite3.Connection, spec: SourceSpec) -> pa.Schema:
        return select(database, self._connection, spec).schema
