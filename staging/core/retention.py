"""When data ends: the TTL clock, pauses, and the grace before objects are deleted."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from staging.core.jobs import JobState

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


def purge_delay(state: JobState, grace: timedelta) -> timedelta:
    """How long after its end a job's published objects stay: the grace if completed, else none."""
    return grace if state is JobState.COMPLETED else timedelta(0)


def link_expiry(now: datetime, asked: timedelta, data_ends_at: datetime | None) -> datetime:
    """Give the earlier of what was asked and the end of the data."""
    wanted = now + asked
    return wanted if data_ends_at is None else min(wanted, data_ends_at)
