"""What the contract says about a job, as plain Python: what the catalog is compared with."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from staging.core.partitions import Attempt

MOVES = {
    "pending": {"running", "pausing", "failed", "expired", "cancelling"},
    "running": {"pausing", "staged", "failed", "expired", "cancelling"},
    "pausing": {"paused", "running", "staged", "failed", "cancelling"},
    "paused": {"running", "failed", "expired", "cancelling"},
    "staged": {"completed", "failed", "expired", "cancelling"},
    "cancelling": {"cancelled"},
}
FINAL = {"completed", "failed", "cancelled", "expired"}
ENDING = FINAL | {"cancelling"}
STAGING = {"pending", "running", "pausing", "paused"}
PAUSE_LIMIT = timedelta(days=7)


@dataclass
class ModelChunk:
    """A chunk that became visible, and the moment of each consumer's ack."""

    partition_id: int
    key: str
    row_count: int
    acks: dict[str, datetime] = field(default_factory=dict)
    is_deleted: bool = False


@dataclass
class ModelJob:
    """One job; its methods are the contract's sentences."""

    job_id: str
    consumers: tuple[str, ...]
    ends_by_acks: bool
    expires_at: datetime | None
    ttl: timedelta
    left: timedelta | None = None
    state: str = "pending"
    moved_at: datetime | None = None
    history: list[str] = field(default_factory=lambda: ["pending"])
    total: int | None = None
    done: dict[int, int] = field(default_factory=dict)
    retry_at: dict[int, datetime] = field(default_factory=dict)
    failures: dict[int, dict[str, int]] = field(default_factory=dict)
    running: dict[int, Attempt] = field(default_factory=dict)
    published: dict[Attempt, int] = field(default_factory=dict)
    ended_at: dict[Attempt, datetime] = field(default_factory=dict)
    chunks: list[ModelChunk] = field(default_factory=list)
    term: int = 0
    driver_term: int | None = None
    is_purged: bool = False

    def move(self, target: str, now: datetime) -> None:
        """Go to a state; a move that the contract does not list is a mistake of the model."""
        assert target in MOVES[self.state], (self.state, target)
        self.state, self.moved_at = target, now
        self.history.append(target)
        if target in FINAL:
            self.end_running(now)

    def stop_clock(self, now: datetime) -> None:
        """Keep what is left of the TTL."""
        if self.expires_at is not None:
            self.left, self.expires_at = max(self.expires_at - now, timedelta(0)), None

    def start_clock(self, now: datetime) -> None:
        """Let the TTL run on."""
        if self.left is not None:
            self.expires_at, self.left = now + self.left, None

    def change_ttl(self, ttl: timedelta) -> None:
        """Let the TTL's clock end as much later as the TTL is longer."""
        longer, self.ttl = ttl - self.ttl, ttl
        if self.expires_at is not None:
            self.expires_at += longer
        if self.left is not None:
            self.left = max(self.left + longer, timedelta(0))

    def end_running(self, now: datetime) -> None:
        """End every running attempt."""
        self.ended_at |= dict.fromkeys(self.running.values(), now)
        self.running.clear()

    def waiting(self, now: datetime) -> list[int]:
        """Partitions that an attempt may begin at, in order."""
        return [
            n
            for n in range(self.total or 0)
            if n not in self.done and n not in self.running and self.retry_at.get(n, now) <= now
        ]

    def is_starved(self) -> bool:
        """Tell whether it has partitions and reads none."""
        return self.state == "running" and not self.running and len(self.done) < (self.total or 0)

    def is_running(self, attempt: Attempt) -> bool:
        """Tell whether the attempt is the one that its partition waits for."""
        return self.running.get(attempt.partition_id) == attempt

    def is_due(self, now: datetime) -> bool:
        """Tell whether the TTL, or the longest pause, is over."""
        if self.state == "paused":
            return self.moved_at + PAUSE_LIMIT <= now
        return self.state in {"pending", "running", "staged"} and self.expires_at <= now

    def is_acked(self, chunk: ModelChunk) -> bool:
        """Tell whether every consumer has the chunk."""
        return set(chunk.acks) == set(self.consumers)

    def complete_if_acked(self, now: datetime) -> None:
        """Complete a staged job with chunks, all of them acked."""
        is_staged = self.state == "staged" and self.ends_by_acks and self.chunks
        if is_staged and all(self.is_acked(chunk) for chunk in self.chunks):
            self.move("completed", now)

    def drop_plan(self, now: datetime) -> None:
        """Forget the partitions and what was done at them."""
        self.end_running(now)
        self.total = None
        for record in (self.done, self.retry_at, self.failures, self.published):
            record.clear()
