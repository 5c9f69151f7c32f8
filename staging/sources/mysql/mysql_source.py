"""MySQL and MariaDB as a source: one reader in one transaction, or many at best effort."""

from collections.abc import Sequence
from datetime import timedelta

import pyarrow as pa

from staging.core.manifest import Snapshot, SnapshotClass
from staging.core.source_spec import SourceSpec
from staging.sources.connection import Connection
from staging.sources.mysql.mysql_reading import MysqlReading
from staging.sources.mysql.session import opened
from staging.sources.mysql.splitting import split_by_key
from staging.sources.mysql.statement import compile_statement
from staging.sources.sizing import Sizing
from staging.sources.source import ReadRequest, Split

_PLANNING = timedelta(seconds=60)
"""How long a question of a plan may take: to walk an index to the next edge, for one."""
_SINGLE_READER = Snapshot(SnapshotClass.SINGLE_READER)


class MysqlSource:
    """One MySQL or MariaDB database; see staging.sources.source.Source."""

    snapshot_class = SnapshotClass.SINGLE_READER

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def describe(self, spec: SourceSpec) -> pa.Schema:
        """Give the schema of the job, checked against the server's catalogue."""
        with opened(self._connection, "staging describe") as session:
            return compile_statement(session, self._connection, spec).schema

    def hold(self, exports: Sequence[str]) -> None:
        """Hold nothing: no session can join the snapshot of another."""

    def split(self, spec: SourceSpec, snapshot: Snapshot | None, sizing: Sizing) -> Split:
        """Leave the source whole, or cut a table by its key if best effort is asked for."""
        kept = snapshot or _SINGLE_READER
        with opened(self._connection, "staging plan", _PLANNING) as session:
            statement = compile_statement(session, self._connection, spec)
            relation = statement.target.relation
            ranges = (
                split_by_key(session, statement, relation, sizing, spec.partition_by)
                if kept.snapshot_class is SnapshotClass.BEST_EFFORT
                and relation is not None
                and statement.target.is_table
                else ()
            )
        bounds = tuple(each.to_json() for each in ranges) or ({},)
        return Split(statement.schema, kept, bounds)

    def read(self, request: ReadRequest) -> MysqlReading:
        """Open one partition."""
        return MysqlReading(self._connection, request)
