"""When data ends: the TTL clock, pauses, and the grace before objects are deleted."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from staging.core.chunks import Chunk, ChunkState
from staging.core.jobs import ENDING, Job, JobState

PAUSE_LIMIT = timedelta(days=7)
IDEMPOTENCY_KEPT = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class TtlClock:
    """The TTL clock of a job: it runs to `expires_at`, or stands still with `remaining` left."""

    expires_at: datetime | None
    remaining: timedelta | None = None

    def stopped(self, now: datetime) -> "TtlClock":
        """Stop the clock; what is left is kept, never less than nothing."""
        if self.expires_at is None:
            return self
        return TtlClock(None, max(self.expires_at - now, timedelta(0)))

    def started(self, now: datetime) -> "TtlClock":
        """Let the clock run on with what is left."""
        if self.remaining is None:
            return self
        return TtlClock(now + self.remaining)

    def longer(self, by: timedelta) -> "TtlClock":
        """Let the clock end so much later, or earlier where that is negative."""
        if self.expires_at is not None:
            return TtlClock(self.expires_at + by)
        if self.remaining is not None:
            return TtlClock(None, max(self.remaining + by, timedelta(0)))
        return self


def purge_delay(state: JobState, grace: timedelta) -> timedelta:
    """How long after its end a job's published objects stay: the grace if completed, else none."""
    return grace if state is JobState.COMPLETED else timedelta(0)


def link_expiry(now: datetime, asked: timedelta, data_ends_at: datetime | None) -> datetime:
    """Give the earlier of what was asked and the end of the data."""
    wanted = now + asked
    return wanted if data_ends_at is None else min(wanted, data_ends_at)


def data_ends_at(job: Job, purge_grace: timedelta) -> datetime | None:
    """Give the end of the job's data as far as it is known: the TTL's, or the completed job's.

    None while the TTL clock stands still.
    """
    if job.state is JobState.COMPLETED and job.finished_at is not None:
        return job.finished_at + purge_delay(job.state, purge_grace)
    return job.expires_at


def end_met(
    job: Job, chunk: Chunk | None, now: datetime, purge_grace: timedelta
) -> JobState | None:
    """Tell which end a chunk's data has met, None while it is handed out.

    The chunks of a completed job are handed out until the purge grace is over; without a chunk
    the question is about the job as a whole.
    """
    if job.state is JobState.CANCELLING:
        return JobState.CANCELLED
    if job.state in ENDING - {JobState.COMPLETED}:
        return job.state
    ends_at = data_ends_at(job, purge_grace)
    is_deleted = chunk is not None and chunk.state is ChunkState.DELETED
    if not is_deleted and (ends_at is None or ends_at > now):
        return None
    return job.state if job.state is JobState.COMPLETED else JobState.EXPIRED
