"""Where jobs stand, and which of them their workflow has left alone too long."""

from datetime import datetime, timedelta

import sqlalchemy as sa

from staging.catalog.database import Database
from staging.catalog.moves import BRIEF_COLUMNS, brief_job
from staging.catalog.plans import snapshot_end
from staging.catalog.tables import IS_UNPURGED, Row, jobs
from staging.core.contracts import Standing
from staging.core.jobs import FINAL, JobState
from staging.core.retention import PAUSE_LIMIT, purge_delay

_ACTIVE = (JobState.PENDING, JobState.RUNNING, JobState.PAUSING, JobState.CANCELLING)


class Standings(Database):
    """Tell workflows and the reconciler what is to be done."""

    def standing(self, job_id: str, *, now: datetime, purge_grace: timedelta) -> Standing:
        """Tell where a job stands and how long until its next deadline.

        Raises UnknownJob.
        """
        with self._reading() as connection:
            return _standing(brief_job(connection, job_id), now, purge_grace)

    def unsettled_jobs(
        self, *, now: datetime, quiet: timedelta, purge_grace: timedelta
    ) -> list[str]:
        """List the jobs whose workflow had to act `quiet` ago or earlier.

        These are active ones that have not moved since, and others with a deadline past.
        """
        then = now - quiet
        with self._reading() as connection:
            found = connection.execute(_CANDIDATES, {"then": then})
            return sorted(row.job_id for row in found if _is_unsettled(row, then, purge_grace))


_CANDIDATES = sa.select(*BRIEF_COLUMNS).where(
    IS_UNPURGED,
    sa.or_(
        sa.and_(
            jobs.c.state.in_([*_ACTIVE, JobState.PAUSED, *FINAL]),
            jobs.c.moved_at <= sa.bindparam("then"),
        ),
        sa.and_(jobs.c.state == JobState.STAGED, jobs.c.expires_at <= sa.bindparam("then")),
    ),
)


def is_expiry_due(job: Row, now: datetime) -> bool:
    """Tell whether a job's TTL, or the longest pause, is over."""
    ends_at = _expiry(job)
    return ends_at is not None and ends_at <= now


def _is_unsettled(job: Row, then: datetime, purge_grace: timedelta) -> bool:
    standing = _standing(job, then, purge_grace)
    deadlines = (
        standing.expires_in_seconds,
        standing.snapshot_ends_in_seconds,
        standing.purge_in_seconds,
    )
    return job.state in _ACTIVE or 0 in deadlines


def _standing(job: Row, now: datetime, purge_grace: timedelta) -> Standing:
    return Standing(
        state=job.state,
        is_planned=job.is_planned,
        partitions_total=job.partitions_total or 0,
        partitions_done=job.partitions_done,
        is_purged=job.purged_at is not None,
        expires_in_seconds=_seconds_until(_expiry(job), now),
        snapshot_ends_in_seconds=_seconds_until(snapshot_end(job), now),
        purge_in_seconds=_seconds_until(_purge(job, purge_grace), now),
    )


def _seconds_until(at: datetime | None, now: datetime) -> float | None:
    return None if at is None else max((at - now).total_seconds(), 0.0)


def _expiry(job: Row) -> datetime | None:
    if job.state is JobState.PAUSED:
        return _moment(job.moved_at + PAUSE_LIMIT)
    if job.state in (JobState.PENDING, JobState.RUNNING, JobState.STAGED):
        return _moment(job.expires_at)
    return None


def _purge(job: Row, purge_grace: timedelta) -> datetime | None:
    if job.state not in FINAL or job.purged_at is not None:
        return None
    return _moment(job.finished_at + purge_delay(job.state, purge_grace))


def _moment(at: datetime | None) -> datetime | None:
    return at
