"""What a job is, and the one table of the moves that its state may make."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from staging.core.errors import StateConflict
from staging.core.manifest import Column, Snapshot
from staging.core.source_spec import SourceSpec


class JobState(StrEnum):
    """Where a job stands; see LEGAL_MOVES."""

    PENDING = "pending"
    RUNNING = "running"
    PAUSING = "pausing"
    PAUSED = "paused"
    STAGED = "staged"
    CANCELLING = "cancelling"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


_S = JobState

LEGAL_MOVES: Mapping[JobState, frozenset[JobState]] = {
    _S.PENDING: frozenset({_S.RUNNING, _S.PAUSING, _S.FAILED, _S.EXPIRED, _S.CANCELLING}),
    _S.RUNNING: frozenset({_S.PAUSING, _S.STAGED, _S.FAILED, _S.EXPIRED, _S.CANCELLING}),
    _S.PAUSING: frozenset({_S.PAUSED, _S.RUNNING, _S.STAGED, _S.FAILED, _S.CANCELLING}),
    _S.PAUSED: frozenset({_S.RUNNING, _S.FAILED, _S.EXPIRED, _S.CANCELLING}),
    _S.STAGED: frozenset({_S.COMPLETED, _S.FAILED, _S.EXPIRED, _S.CANCELLING}),
    _S.CANCELLING: frozenset({_S.CANCELLED}),
    _S.COMPLETED: frozenset(),
    _S.FAILED: frozenset(),
    _S.CANCELLED: frozenset(),
    _S.EXPIRED: frozenset(),
}

FINAL = frozenset(state for state, moves in LEGAL_MOVES.items() if not moves)
ENDING = FINAL | {_S.CANCELLING}
"""States in which no chunk is handed out any more."""
PUBLISHING = frozenset({_S.RUNNING, _S.PAUSING})
"""States in which a finished attempt may make its chunks visible."""

_ACTIONS: Mapping[str, frozenset[JobState]] = {
    "pause": frozenset({_S.PENDING, _S.RUNNING, _S.PAUSING, _S.PAUSED}),
    "resume": frozenset({_S.RUNNING, _S.PAUSING, _S.PAUSED}),
    "cancel": frozenset(JobState),
    "ack": frozenset({_S.RUNNING, _S.PAUSING, _S.PAUSED, _S.STAGED}),
}


def allowed_actions(state: JobState) -> tuple[str, ...]:
    """List what a client may ask of a job in this state, in the contract's words."""
    return tuple(action for action, states in _ACTIONS.items() if state in states)


def check_action(job_id: str, state: JobState, action: str) -> None:
    """Raise StateConflict unless a client may ask for the action in this state."""
    if state not in _ACTIONS[action]:
        allowed = allowed_actions(state)
        raise StateConflict(
            f"job {job_id} is {state}: {action} is not possible; possible: {', '.join(allowed)}",
            current_state=state,
            allowed=allowed,
        )


def check_move(job_id: str, state: JobState, target: JobState) -> None:
    """Raise StateConflict unless LEGAL_MOVES has the move."""
    if target not in LEGAL_MOVES[state]:
        raise StateConflict(
            f"job {job_id} is {state} and cannot become {target}",
            current_state=state,
            allowed=allowed_actions(state),
        )


class Retain(StrEnum):
    """When a chunk stops being readable: once acked by all consumers, or at the TTL only."""

    UNTIL_ACKED = "until_acked"
    UNTIL_EXPIRED = "until_expired"


@dataclass(frozen=True, slots=True)
class JobOptions:
    """How a job is staged; the contract's names, ranges checked at the edge."""

    chunk_target_bytes: int = 64 * 1024 * 1024
    compression: str = "zstd"
    compression_level: int | None = 1
    consistency: str = "snapshot"
    max_snapshot_age_seconds: int = 3600
    ttl_seconds: int = 86_400
    url_ttl_seconds: int = 3600
    retain: Retain = Retain.UNTIL_ACKED
    consumers: tuple[str, ...] = ("default",)
    on_unrepresentable: str = "fail"
    parallelism: int | None = None


@dataclass(frozen=True, slots=True)
class JobError:
    """Why a job failed: a code, a text that names no secret and no row value, and the place."""

    code: str
    detail: str
    partition_id: int | None = None


@dataclass(frozen=True, slots=True)
class JobDraft:
    """An accepted request, before it is a row."""

    job_id: str
    org_id: int
    user_id: str | None
    name: str | None
    labels: Mapping[str, str]
    source: SourceSpec
    options: JobOptions


@dataclass(frozen=True, slots=True)
class Amendment:
    """What is to change of a job; what is None stays, but for the name where `is_renamed`."""

    ttl_seconds: int | None = None
    labels: Mapping[str, str] | None = None
    name: str | None = None
    is_renamed: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is; `partitions_total` is None before planning is done."""

    partitions_total: int | None = None
    partitions_done: int = 0
    chunks_published: int = 0
    chunks_acked: int = 0
    rows: int = 0
    bytes: int = 0

    @property
    def fraction(self) -> float | None:
        """Partitions done over partitions planned, 1.0 for an empty table, None before a plan."""
        if self.partitions_total is None:
            return None
        if self.partitions_total == 0:
            return 1.0
        return self.partitions_done / self.partitions_total


@dataclass(frozen=True, slots=True)
class Job:
    """One job as the catalog knows it at one revision."""

    job_id: str
    org_id: int
    user_id: str | None
    name: str | None
    labels: Mapping[str, str]
    state: JobState
    source: SourceSpec
    options: JobOptions
    progress: Progress
    created_at: datetime
    started_at: datetime | None
    staged_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime | None
    revision: int
    is_planned: bool = False
    is_sealed: bool = False
    schema: tuple[Column, ...] | None = None
    schema_fingerprint: str | None = None
    arrow_schema: bytes | None = field(default=None, repr=False)
    snapshot: Snapshot | None = None
    error: JobError | None = None
    nulled: Mapping[str, int] = field(default_factory=dict)
    """Unrepresentable values that became NULL, by column."""
    high_water: int | None = None
