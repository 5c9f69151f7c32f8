"""The moves that a job's workflow makes; each is done once and is harmless when done again."""

from datetime import datetime

from staging.catalog.acks import complete_if_acked
from staging.catalog.database import Database
from staging.catalog.fencing import fence_out
from staging.catalog.moves import lock_job, move_job, whole_job
from staging.catalog.requests import running_clock
from staging.catalog.rows import job_of
from staging.catalog.standings import is_expiry_due
from staging.core.contracts import FailureReport
from staging.core.jobs import LEGAL_MOVES, PUBLISHING, Job, JobState


class Lifecycle(Database):
    """Move jobs on; each method returns whether it did, and raises UnknownJob."""

    def start_job(self, job_id: str, *, now: datetime) -> Job:
        """Let a pending job run; one in any other state stays as it is.  Returns the job."""
        with self._writing() as connection:
            job = lock_job(connection, job_id)
            if job.state is JobState.PENDING:
                move_job(connection, job, JobState.RUNNING, now=now, started_at=now)
            return job_of(whole_job(connection, job_id))

    def seal_job(self, job_id: str, *, now: datetime) -> bool:
        """Seal a job whose every partition is published; if all is acked too, complete it."""
        with self._writing() as connection:
            job = lock_job(connection, job_id)
            is_done = job.is_planned and job.partitions_done == job.partitions_total
            if job.state not in PUBLISHING or not is_done:
                return False
            changes = running_clock(job, now) | {"staged_at": now, "is_sealed": True}
            move_job(connection, job, JobState.STAGED, now=now, **changes)
            complete_if_acked(connection, job_id, now=now)
            return True

    def settle_pause(self, job_id: str, *, now: datetime) -> bool:
        """Turn pausing into paused; attempts that still run are ended first.

        A job that is not planned yet gives its reservation for holders back.
        """
        with self._writing() as connection:
            job = lock_job(connection, job_id)
            if job.state is not JobState.PAUSING:
                return False
            fence_out(connection, job, now=now)
            holders = job.holders if job.is_planned else 0
            move_job(connection, job, JobState.PAUSED, now=now, running_attempts=0, holders=holders)
            return True

    def expire_job(self, job_id: str, *, now: datetime) -> bool:
        """Expire a job whose TTL, or whose longest pause, is over; never one that is not due."""
        with self._writing() as connection:
            job = lock_job(connection, job_id)
            is_due = is_expiry_due(job, now)
            if is_due:
                move_job(connection, job, JobState.EXPIRED, now=now)
            return is_due

    def finish_cancel(self, job_id: str, *, now: datetime) -> bool:
        """Turn cancelling into cancelled."""
        with self._writing() as connection:
            job = lock_job(connection, job_id)
            if job.state is not JobState.CANCELLING:
                return False
            move_job(connection, job, JobState.CANCELLED, now=now)
            return True

    def fail_job(self, report: FailureReport, *, now: datetime) -> bool:
        """Fail a job with a code and a text; one that is ending ends as it was going to."""
        with self._writing() as connection:
            job = lock_job(connection, report.job_id)
            if JobState.FAILED not in LEGAL_MOVES[job.state]:
                return False
            move_job(
                connection,
                job,
                JobState.FAILED,
                now=now,
                error_code=report.code,
                error_detail=report.detail,
                error_partition_id=report.partition_id,
            )
            return True
