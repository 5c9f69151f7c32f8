"""Ending running attempts: the fence goes up, so that what they bring later is refused."""

from datetime import datetime

import sqlalchemy as sa

from staging.catalog.tables import (
    IS_RUNNING,
    AttemptState,
    PartitionState,
    Row,
    attempts,
    partitions,
)

_RUNNING = sa.and_(partitions.c.job_id == sa.bindparam("of_job"), IS_RUNNING)
_END_ATTEMPTS = (
    sa.update(attempts)
    .where(
        attempts.c.job_id == sa.bindparam("of_job"),
        sa.tuple_(attempts.c.partition_id, attempts.c.fence).in_(
            sa.select(partitions.c.partition_id, partitions.c.fence).where(_RUNNING)
        ),
    )
    .values(state=AttemptState.FENCED, ended_at=sa.bindparam("ended"))
)
_RAISE_FENCES = (
    sa.update(partitions)
    .where(_RUNNING)
    .values(state=PartitionState.WAITING, fence=partitions.c.fence + 1)
)


def fence_out(connection: sa.Connection, job: Row, *, now: datetime) -> None:
    """End every running attempt of a locked job; the caller writes that none runs."""
    if job.running_attempts == 0:
        return
    connection.execute(_END_ATTEMPTS, {"of_job": job.job_id, "ended": now})
    connection.execute(_RAISE_FENCES, {"of_job": job.job_id})
