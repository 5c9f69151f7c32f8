"""Count what is under way, for whoever watches the service."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from staging.catalog.budget import InUse, all_in_use
from staging.catalog.database import Database
from staging.catalog.tables import IS_UNPURGED, jobs
from staging.core.jobs import FINAL, JobState


@dataclass(frozen=True, slots=True)
class Gauges:
    """The jobs of all organisations whose objects are not yet deleted, counted."""

    jobs: Mapping[JobState, int]
    partitions_running: int
    partitions_left: int
    """Planned and not yet published, those running included."""
    chunks_unacked: int
    """Published by jobs that are not final, and not acknowledged by every consumer."""
    oldest_moved_at: Mapping[JobState, datetime]
    """When the job that is longest in a state came into it; states without jobs are missing."""


class Gauging(Database):
    """Count jobs; the cost goes with the jobs whose objects are there, not with all there were."""

    def gauges(self) -> Gauges:
        """Count what is under way."""
        with self._reading() as connection:
            rows = connection.execute(_COUNTS).all()
        return Gauges(
            jobs=dict.fromkeys(JobState, 0) | {row.state: row.job_count for row in rows},
            partitions_running=sum(row.running for row in rows),
            partitions_left=sum(row.partitions_left for row in rows if row.state not in FINAL),
            chunks_unacked=sum(row.chunks_unacked for row in rows if row.state not in FINAL),
            oldest_moved_at={row.state: row.oldest_moved_at for row in rows},
        )

    def connections_in_use(self) -> Mapping[str, InUse]:
        """Count the sessions of every connection that jobs read or hold now, by its name."""
        with self._reading() as connection:
            return all_in_use(connection)


_COUNTS = (
    sa.select(
        jobs.c.state,
        sa.func.count().label("job_count"),
        sa.func.sum(jobs.c.running_attempts).label("running"),
        sa.func.sum(sa.func.coalesce(jobs.c.partitions_total - jobs.c.partitions_done, 0)).label(
            "partitions_left"
        ),
        sa.func.sum(jobs.c.chunks_published - jobs.c.chunks_acked).label("chunks_unacked"),
        sa.func.min(jobs.c.moved_at).label("oldest_moved_at"),
    )
    .where(IS_UNPURGED)
    .group_by(jobs.c.state)
)
