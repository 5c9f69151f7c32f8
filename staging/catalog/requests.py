"""What clients ask of a job: pause, resume, cancel."""

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from staging.catalog.database import Database
from staging.catalog.moves import lock_job, move_job, whole_job
from staging.catalog.records import Requested
from staging.catalog.rows import job_of
from staging.catalog.tables import Row
from staging.core.jobs import ENDING, JobState, check_action
from staging.core.retention import TtlClock


class Requests(Database):
    """Write a client's intent; the workflow makes it true."""

    def request_pause(self, org_id: int, job_id: str, *, now: datetime) -> Requested:
        """Ask a job to pause and stop its TTL clock; nothing new when it does or has.

        Raises UnknownJob, StateConflict.
        """
        with self._writing() as connection:
            job = lock_job(connection, job_id, org_id=org_id)
            check_action(job_id, job.state, "pause")
            is_new = job.state not in (JobState.PAUSING, JobState.PAUSED)
            if is_new:
                clock = written_clock(clock_of(job).stopped(now))
                move_job(connection, job, JobState.PAUSING, now=now, **clock)
            return _requested(connection, job_id, is_new=is_new)

    def request_resume(self, org_id: int, job_id: str, *, now: datetime) -> Requested:
        """Let a pausing or paused job run on, and its TTL clock; nothing new when it runs.

        Raises UnknownJob, StateConflict.
        """
        with self._writing() as connection:
            job = lock_job(connection, job_id, org_id=org_id)
            check_action(job_id, job.state, "resume")
            is_new = job.state is not JobState.RUNNING
            if is_new:
                changes = running_clock(job, now) | {"started_at": job.started_at or now}
                move_job(connection, job, JobState.RUNNING, now=now, **changes)
            return _requested(connection, job_id, is_new=is_new)

    def request_cancel(self, org_id: int, job_id: str, *, now: datetime) -> Requested:
        """Cancel a job: no chunk of it becomes visible after this; nothing new when it is ending.

        Raises UnknownJob.
        """
        with self._writing() as connection:
            job = lock_job(connection, job_id, org_id=org_id)
            check_action(job_id, job.state, "cancel")
            is_new = job.state not in ENDING
            if is_new:
                move_job(connection, job, JobState.CANCELLING, now=now)
            return _requested(connection, job_id, is_new=is_new)


def clock_of(job: Row) -> TtlClock:
    """Read a job's TTL clock."""
    left = job.ttl_remaining_seconds
    return TtlClock(job.expires_at, None if left is None else timedelta(seconds=left))


def running_clock(job: Row, now: datetime) -> dict[str, Any]:
    """Give the columns of a job's TTL clock that runs from now on."""
    return written_clock(clock_of(job).started(now))


def written_clock(clock: TtlClock) -> dict[str, Any]:
    """Give the columns of a job's TTL clock."""
    left = None if clock.remaining is None else clock.remaining.total_seconds()
    return {"expires_at": clock.expires_at, "ttl_remaining_seconds": left}


def _requested(connection: sa.Connection, job_id: str, *, is_new: bool) -> Requested:
    return Requested(job_of(whole_job(connection, job_id)), is_new)
