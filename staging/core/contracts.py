"""The names and messages between the API and the workflow: ids and counts, never rows."""

from dataclasses import dataclass
from enum import StrEnum

from staging.core.jobs import JobState

WORKFLOW = "StagingJob"
TASK_QUEUE = "staging"
PROGRESS_QUERY = "progress"


class Signal(StrEnum):
    """What wakes a workflow; the catalog, not the signal, says what to do."""

    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    ALL_ACKED = "all-acked"
    TTL_CHANGED = "ttl-changed"


class Step(StrEnum):
    """The activities of a job, each one idempotent; all take a job id and return a Standing."""

    OBSERVE = "observe"
    PLAN = "plan"
    STAGE_BATCH = "stage-batch"
    SEAL = "seal"
    SETTLE_PAUSE = "settle-pause"
    RELEASE_SNAPSHOT = "release-snapshot"
    EXPIRE = "expire"
    FINISH_CANCEL = "finish-cancel"
    FAIL = "fail"
    PURGE = "purge"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a job stands in the catalog, as far as its workflow must know.

    The three durations count down to a deadline of this state, 0 when it is over, None where the
    state has none: the end of the TTL (or of the 7 days of a pause), the age at which a paused
    job's snapshot is let go, the moment at which a final job's objects may be deleted.
    """

    state: JobState
    is_planned: bool = False
    partitions_total: int = 0
    partitions_done: int = 0
    is_purged: bool = False
    expires_in_seconds: float | None = None
    snapshot_ends_in_seconds: float | None = None
    purge_in_seconds: float | None = None

    @property
    def is_due(self) -> bool:
        """Tell whether the TTL, or the longest pause, is over."""
        return self.expires_in_seconds is not None and self.expires_in_seconds <= 0


@dataclass(frozen=True, slots=True)
class FailureReport:
    """What the workflow asks the fail activity to write."""

    job_id: str
    code: str
    detail: str
    partition_id: int | None = None
