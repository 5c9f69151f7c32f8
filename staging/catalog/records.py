"""What the catalog takes and answers beside the words of staging.core."""

from dataclasses import dataclass

from staging.core.jobs import Job


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
