"""Any SQLAlchemy dialect as a source: one reader, one transaction."""

from collections.abc import Sequence

import pyarrow as pa

from staging.core.manifest import Snapshot, SnapshotClass
from staging.core.source_spec import SourceSpec
from staging.sources.connection import Connection
from staging.sources.sizing import Sizing
from staging.sources.source import ReadRequest, Split
from staging.sources.sqlalchemy.selection import select
from staging.sources.sqlalchemy.session import opened
from staging.sources.sqlalchemy.sqlalchemy_reading import SqlalchemyReading


class SqlalchemySource:
    """One database; see staging.sources.source.Source."""

    snapshot_class = SnapshotClass.SINGLE_READER

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def describe(self, spec: SourceSpec) -> pa.Schema:
        """Give the schema that the table's reflected types make."""
        with opened(self._connection) as session:
            return select(session, self._connection, spec).schema

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

    def read(self, request: ReadRequest) -> SqlalchemyReading:
        """Open the table."""
        return SqlalchemyReading(self._connection, request)
