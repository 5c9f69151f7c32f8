"""Chunks, the receipts that announce them, and the keys of their objects."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from staging.core.jobs import JobState
from staging.core.partitions import Attempt

_KEY = re.compile(
    r"(?P<org>[1-9][0-9]*)/(?P<job>[0-9a-f-]{36})/(?P<partition>[0-9]+)/"
    r"(?P<fence>[0-9]+)-(?P<uuid>[0-9a-f]{32})/(?P<seq>[0-9]+)\.parquet"
)


class ChunkState(StrEnum):
    """Whether a chunk waits, was acknowledged by every consumer, or is deleted."""

    AVAILABLE = "available"
    ACKED = "acked"
    DELETED = "deleted"


def object_key(attempt: Attempt, unique: str, seq: int) -> str:
    """Give the attempt-scoped key of one object; `unique` is 32 hex digits, new for each try."""
    return (
        f"{attempt.org_id}/{attempt.job_id}/{attempt.partition_id}/"
        f"{attempt.fence}-{unique}/{seq}.parquet"
    )


def attempt_of_key(key: str) -> Attempt | None:
    """Read the attempt from an object's key; None if the key is not one of ours."""
    found = _KEY.fullmatch(key)
    if found is None:
        return None
    return Attempt(int(found["org"]), found["job"], int(found["partition"]), int(found["fence"]))


@dataclass(frozen=True, slots=True)
class StoredChunk:
    """One Parquet object as its writer knows it; `sha256` is lower-case hex of the whole object."""

    key: str
    row_count: int
    byte_count: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a finished attempt wrote, in reading order; small, and never rows."""

    attempt: Attempt
    chunks: tuple[StoredChunk, ...]
    schema_fingerprint: str
    nulled: Mapping[str, int]
    """Unrepresentable values that became NULL, by column (policy `null` only)."""
    seconds: Mapping[str, float]
    """Wall time by stage: read; beside it, in turn, wait (for what is read), encode, upload."""
    high_water: int | None = None
    """The greatest value of the incremental column; see staging.core.high_water."""
    node_id: str | None = None
    """The cluster's own id of the node that it ran on."""

    @property
    def row_count(self) -> int:
        """Rows in all chunks."""
        return sum(chunk.row_count for chunk in self.chunks)


@dataclass(frozen=True, slots=True)
class Failure:
    """How an attempt failed: a code of the error tree, and a text without secrets or values."""

    attempt: Attempt
    code: str
    detail: str
    is_retryable: bool
    node_id: str | None = None
    """The cluster's own id of the node that it ran on, None where that was not told."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """One published chunk; `row_offset` counts the rows of the chunks with a smaller index."""

    chunk_id: str
    job_id: str
    chunk_index: int
    partition_id: int
    row_offset: int
    row_count: int
    byte_count: int
    sha256: str
    key: str
    state: ChunkState
    acked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """One consumer's ack and what it did to the job; `acked_at` is that of the first such ack."""

    chunk_id: str
    chunk_index: int
    acked_at: datetime
    chunks_acked: int
    state: JobState
