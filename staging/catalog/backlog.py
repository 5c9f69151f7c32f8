"""What is left to read, job by job: the demand for nodes."""

import sqlalchemy as sa

from staging.catalog.database import Database
from staging.catalog.tables import IS_UNPURGED, Row, jobs
from staging.core.autoscale import Backlog
from staging.core.jobs import JobState


class Backlogs(Database):
    """List the demand; the cost goes with the jobs that are read now."""

    def backlogs(self) -> list[Backlog]:
        """List what running jobs have left to read, and the jobs that only keep holders."""
        with self._reading() as connection:
            rows = connection.execute(_LEFT).all()
        return [_backlog(row) for row in rows]


def _backlog(row: Row) -> Backlog:
    left = int(row.partitions_left) if row.state is JobState.RUNNING else 0
    options, done = row.options, row.partitions_done
    each_bytes = row.byte_count / done if done else options["chunk_target_bytes"]
    return Backlog(
        connection=row.connection,
        partitions=left,
        parallelism=options["parallelism"],
        holders=row.holders,
        byte_count=round(left * each_bytes),
    )


_PARTITIONS_LEFT = sa.func.coalesce(jobs.c.partitions_total - jobs.c.partitions_done, 0)
_LEFT = sa.select(
    jobs.c.connection,
    jobs.c.state,
    jobs.c.options,
    jobs.c.holders,
    jobs.c.partitions_done,
    jobs.c.byte_count,
    _PARTITIONS_LEFT.label("partitions_left"),
).where(
    IS_UNPURGED,
    sa.or_(
        sa.and_(jobs.c.state == JobState.RUNNING, _PARTITIONS_LEFT > 0),
        jobs.c.holders > 0,
    ),
)
