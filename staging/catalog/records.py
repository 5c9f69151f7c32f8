"""What the catalog takes and answers beside the words of staging.core."""

from dataclasses import dataclass
from datetime import datetime

from staging.core.chunks import Chunk
from staging.core.jobs import Job, JobState


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A client's Idempotency-Key and the SHA-256 (hex) of the body it came with."""

    key: str
    body_sha256: str


@dataclass(frozen=True, slots=True)
class Inserted:
    """A job that an insert made, or found by its key (`is_replayed`)."""

    job: Job
    is_replayed: bool


@dataclass(frozen=True, slots=True)
class Requested:
    """A job after a client's request; `is_new` tells whether the request moved it."""

    job: Job
    is_new: bool


@dataclass(frozen=True, slots=True)
class Move:
    """One change of a job's state: into which, at which revision, when."""

    revision: int
    state: JobState
    at: datetime


@dataclass(frozen=True, slots=True)
class News:
    """A job, and those of its moves and chunks that somebody has not seen yet."""

    job: Job
    moves: tuple[Move, ...]
    chunks: tuple[Chunk, ...]
