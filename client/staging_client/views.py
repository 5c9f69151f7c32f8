"""What the service answers, as values: jobs, chunks, acks at one moment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is; `fraction` and `partitions_total` are None before it is planned."""

    partitions_total: int | None
    partitions_done: int
    chunks_published: int
    chunks_acked: int
    rows: int
    bytes: int
    fraction: float | None

    @classmethod
    def from_json(cls, shown: Mapping[str, Any]) -> "Progress":
        """Read the contract's object."""
        return cls(**{name: shown[name] for name in cls.__slots__})


@dataclass(frozen=True, slots=True)
class Column:
    """A column; `type` is Arrow's own text for it, `decimal128(15, 2)`."""

    name: str
    type: str
    nullable: bool


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a job promises; final once it is sealed."""

    is_sealed: bool
    chunk_count: int
    row_count: int
    byte_count: int
    schema: Sequence[Column] | None
    schema_fingerprint: str | None
    snapshot: Mapping[str, Any] | None

    @classmethod
    def from_json(cls, shown: Mapping[str, Any]) -> "Manifest":
        """Read the contract's object."""
        columns = shown["schema"]
        return cls(
            is_sealed=shown["sealed"],
            chunk_count=shown["chunk_count"],
            row_count=shown["row_count"],
            byte_count=shown["byte_count"],
            schema=None
            if columns is None
            else tuple(Column(each["name"], each["type"], each["nullable"]) for each in columns),
            schema_fingerprint=shown["schema_fingerprint"],
            snapshot=shown["snapshot"],
        )


@dataclass(frozen=True, slots=True)
class JobError:
    """Why a job failed."""

    code: str
    detail: str
    partition_id: int | None = None


@dataclass(frozen=True, slots=True)
class JobView:
    """A job at one revision; `json` is the whole answer without its chunks."""

    job_id: str
    state: str
    name: str | None
    labels: Mapping[str, str]
    progress: Progress
    manifest: Manifest
    error: JobError | None
    created_at: datetime
    expires_at: datetime | None
    json: Mapping[str, Any]

    @classmethod
    def from_json(cls, shown: Mapping[str, Any]) -> "JobView":
        """Read the contract's object."""
        error = shown["error"]
        return cls(
            job_id=shown["job_id"],
            state=shown["state"],
            name=shown["name"],
            labels=shown["labels"],
            progress=Progress.from_json(shown["progress"]),
            manifest=Manifest.from_json(shown["manifest"]),
            error=None
            if error is None
            else JobError(error["code"], error["detail"], error.get("partition_id")),
            created_at=datetime.fromisoformat(shown["created_at"]),
            expires_at=instant(shown["expires_at"]),
            json={name: value for name, value in shown.items() if name not in _PAGE},
        )


_PAGE = ("chunks", "next_page_token")


@dataclass(frozen=True, slots=True)
class ChunkView:
    """One chunk with a link and a ticket, both of which expire; `json` is the whole answer."""

    chunk_id: str
    chunk_index: int
    partition_id: int
    row_offset: int
    row_count: int
    byte_count: int
    sha256: str
    state: str
    url: str | None
    url_expires_at: datetime | None
    http_headers: Mapping[str, str]
    ticket: str
    locations: Sequence[str]
    acked_at: datetime | None
    json: Mapping[str, Any]

    @classmethod
    def from_json(cls, shown: Mapping[str, Any]) -> "ChunkView":
        """Read the contract's object."""
        flight = shown.get("flight") or {}
        plain = {name: shown[name] for name in _PLAIN}
        return cls(
            **plain,
            url=shown.get("url"),
            url_expires_at=instant(shown.get("url_expires_at")),
            http_headers=shown.get("http_headers") or {},
            ticket=flight.get("ticket") or "",
            locations=tuple(flight.get("locations") or ()),
            acked_at=instant(shown["acked_at"]),
            json=shown,
        )

    def __repr__(self) -> str:
        return f"ChunkView(chunk_index={self.chunk_index}, chunk_id={self.chunk_id!r})"


_PLAIN = (
    "chunk_id",
    "chunk_index",
    "partition_id",
    "row_offset",
    "row_count",
    "byte_count",
    "sha256",
    "state",
)


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What an ack did; `acked_at` is the moment of the first one."""

    chunk_id: str
    chunk_index: int
    acked_at: datetime
    chunks_acked: int
    job_state: str

    @classmethod
    def from_json(cls, shown: Mapping[str, Any]) -> "Acknowledgement":
        """Read the contract's object."""
        return cls(
            chunk_id=shown["chunk_id"],
            chunk_index=shown["chunk_index"],
            acked_at=datetime.fromisoformat(shown["acked_at"]),
            chunks_acked=shown["job"]["chunks_acked"],
            job_state=shown["job"]["state"],
        )


def instant(text: str | None) -> datetime | None:
    """Read a moment."""
    return None if text is None else datetime.fromisoformat(text)
