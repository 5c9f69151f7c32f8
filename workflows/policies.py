"""How long each step may take and how it is tried again: one table.

A step is given up only when its error says that another try cannot help; then the job fails and
says why.  Steps that end a job are tried for as long as the job's data may live.
"""

from dataclasses import dataclass, field
from datetime import timedelta

from temporalio.common import RetryPolicy

from staging.core.contracts import Step

HEARTBEAT = timedelta(seconds=5)
HEARTBEAT_TIMEOUT = timedelta(seconds=30)
GRACEFUL_SHUTDOWN = timedelta(seconds=15)
_LONGEST = timedelta(days=37)
"""Longest TTL (30 days) and longest pause (7 days) of a job."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Timeouts and retries of one step; heartbeats only where the step beats."""

    start_to_close: timedelta
    heartbeat: timedelta | None = None
    schedule_to_close: timedelta = _LONGEST
    retry: RetryPolicy = field(
        default_factory=lambda: RetryPolicy(
            initial_interval=timedelta(milliseconds=200),
            backoff_coefficient=2.0,
            maximum_interval=timedelta(seconds=5),
        )
    )


_SHORT = Policy(start_to_close=timedelta(seconds=30))

POLICIES: dict[Step, Policy] = {
    Step.OBSERVE: _SHORT,
    # A plan opens each file: 100,000 in S3 take an hour and more.
    Step.PLAN: Policy(start_to_close=timedelta(hours=6), heartbeat=HEARTBEAT_TIMEOUT),
    Step.STAGE_BATCH: Policy(start_to_close=timedelta(hours=26), heartbeat=HEARTBEAT_TIMEOUT),
    Step.SEAL: _SHORT,
    Step.SETTLE_PAUSE: _SHORT,
    Step.RELEASE_SNAPSHOT: _SHORT,
    Step.EXPIRE: _SHORT,
    Step.FINISH_CANCEL: _SHORT,
    Step.FAIL: _SHORT,
    Step.PURGE: Policy(start_to_close=timedelta(hours=1), heartbeat=HEARTBEAT_TIMEOUT),
}
