"""The connections that jobs use of one source: running attempts and snapshot holders."""

from dataclasses import dataclass

import sqlalchemy as sa

from staging.catalog.tables import READS_NOW, jobs

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
