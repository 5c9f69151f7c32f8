"""The connections that jobs use of one source: running attempts and snapshot holders."""

from dataclasses import dataclass

import sqlalchemy as sa

from staging.catalog.tables import IS_UNPURGED, READS_NOW, Row, jobs
from staging.core.jobs import JobState

_IN_USE = sa.select(
    sa.func.coalesce(sa.func.sum(jobs.c.running_attempts), 0),
    sa.func.coalesce(sa.func.sum(jobs.c.holders), 0),
).where(jobs.c.connection == sa.bindparam("connection"), READS_NOW)
_ALL_IN_USE = (
    sa.select(
        jobs.c.connection,
        sa.func.sum(jobs.c.running_attempts).label("attempts"),
        sa.func.sum(jobs.c.holders).label("holders"),
    )
    .where(READS_NOW)
    .group_by(jobs.c.connection)
)
_WAITING = (
    sa.select(sa.func.count())
    .select_from(jobs)
    .where(
        IS_UNPURGED,
        jobs.c.state == JobState.RUNNING,
        jobs.c.connection == sa.bindparam("connection"),
        jobs.c.running_attempts == 0,
        jobs.c.partitions_done < jobs.c.partitions_total,
    )
)
_LOCK = sa.text("SELECT pg_advisory_xact_lock(hashtextextended('staging ' || :connection, 0))")


@dataclass(frozen=True, slots=True)
class InUse:
    """Connections of one source that all jobs together use."""

    attempts: int
    holders: int

    @property
    def total(self) -> int:
        """Attempts and holders."""
        return self.attempts + self.holders


def all_in_use(connection: sa.Connection) -> dict[str, InUse]:
    """Count what the jobs of every connection use; one that nobody uses is not in it."""
    found = connection.execute(_ALL_IN_USE)
    return {row.connection: InUse(int(row.attempts), int(row.holders)) for row in found}


def lock_usage(connection: sa.Connection, name: str) -> InUse:
    """Count what a named connection's jobs use, and keep others from using more until the end.

    Taken after the lock on a job, never before it, so that no two transactions wait in a circle.
    """
    if connection.dialect.name == "postgresql":  # SQLite has one writer at a time anyway
        connection.execute(_LOCK, {"connection": name})
    attempts, holders = connection.execute(_IN_USE, {"connection": name}).one()
    return InUse(int(attempts), int(holders))


def room_within(connection: sa.Connection, job: Row, budget: int) -> int:
    """Count the attempts that a locked job may begin now; keeps others from it as lock_usage does.

    A job that reads leaves a place to each job of its connection that has partitions and reads
    none, up to half of the budget: so a short job does not wait for the end of a long one, and
    many that cannot go on do not stop it.
    """
    free = budget - lock_usage(connection, job.connection).total
    if free <= 0 or job.running_attempts == 0:
        return free
    waiting = connection.execute(_WAITING, {"connection": job.connection}).scalar_one()
    return free - min(int(waiting), budget // 2)
