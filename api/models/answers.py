"""What the service answers; these models declare it, `staging.core.wire` builds it."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from staging.core.chunks import ChunkState
from staging.core.jobs import JobState
from staging.core.manifest import SnapshotClass

_Count = Field(ge=0)


class Answer(BaseModel):
    """A JSON object of the contract."""

    model_config = ConfigDict(extra="forbid")


class ColumnAnswer(Answer):
    """One column; `type` is Arrow's own text for it."""

    name: str
    type: str
    nullable: bool


class SnapshotAnswer(Answer):
    """The instant that all chunks show."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    snapshot_class: SnapshotClass = Field(alias="class")
    value: str | None


class FilterAnswer(Answer):
    """One condition on rows."""

    column: str
    op: str
    value: Any


class IncrementalAnswer(Answer):
    """By which column newer rows are known, and after which value."""

    column: str
    after: Any


class HighWaterAnswer(IncrementalAnswer):
    """The same, and the `after` of the next job; null while unsealed."""

    high_water: int | str | float | None


class SourceAnswer(Answer):
    """What is read."""

    connection: str
    table: str | None
    path: str | None
    query: str | None
    columns: list[str] | None
    filters: list[FilterAnswer]
    incremental: IncrementalAnswer | None = None
    partition_by: str | None = None
    version: int | str | None = None


class OptionsAnswer(Answer):
    """How it is staged, defaults filled in."""

    chunk_target_bytes: int
    compression: str
    compression_level: int | None
    consistency: str
    max_snapshot_age_seconds: int
    ttl_seconds: int
    url_ttl_seconds: int
    retain: str
    consumers: list[str]
    on_unrepresentable: str
    parallelism: int | None


class ProgressAnswer(Answer):
    """How far the job is; totals are null before planning is done."""

    partitions_total: int | None
    partitions_done: int = _Count
    chunks_published: int = _Count
    chunks_acked: int = _Count
    rows: int = _Count
    bytes: int = _Count
    fraction: float | None


class ManifestSummary(Answer):
    """The totals of a job's chunks so far, final once sealed."""

    sealed: bool
    chunk_count: int = _Count
    row_count: int = _Count
    byte_count: int = _Count
    schema_: list[ColumnAnswer] | None = Field(alias="schema")
    schema_fingerprint: str | None
    snapshot: SnapshotAnswer | None
    nulled: dict[str, int] = Field(
        default_factory=dict,
        description="Values that became NULL, by column; with `on_unrepresentable: null` alone.",
    )
    incremental: HighWaterAnswer | None = Field(
        default=None, description="Where the next job goes on; with `incremental` alone."
    )


class ManifestChunk(Answer):
    """One chunk as the sealed manifest lists it."""

    chunk_id: str
    chunk_index: int = _Count
    partition_id: int
    row_offset: int = _Count
    row_count: int = _Count
    byte_count: int = _Count
    sha256: str


class ManifestAnswer(ManifestSummary):
    """The sealed manifest: every chunk, in order."""

    job_id: str
    chunks: list[ManifestChunk]


class NodeShare(Answer):
    """How many of a job's partitions a node of the cluster has read."""

    node_id: str
    partitions: int = _Count


class NodesAnswer(Answer):
    """The nodes that have read partitions of a job, in the order of their ids."""

    nodes: list[NodeShare]


class FlightAnswer(Answer):
    """How to read the chunk by Arrow Flight; the ticket is null once the chunk is gone."""

    ticket: str | None
    locations: list[str]


class ChunkAnswer(Answer):
    """One chunk; `url` is null once the chunk is gone."""

    chunk_id: str
    chunk_index: int = _Count
    partition_id: int
    row_offset: int = _Count
    row_count: int = _Count
    byte_count: int = _Count
    sha256: str
    state: ChunkState
    url: str | None
    url_expires_at: datetime | None
    http_headers: dict[str, str]
    flight: FlightAnswer
    acked_at: datetime | None


class JobErrorAnswer(Answer):
    """Why the job failed."""

    code: str
    detail: str
    partition_id: int | None


class JobSummary(Answer):
    """A job without its chunks."""

    job_id: str
    org_id: int
    user_id: str | None
    name: str | None
    labels: dict[str, str]
    state: JobState
    source: SourceAnswer
    options: OptionsAnswer
    progress: ProgressAnswer
    manifest: ManifestSummary
    error: JobErrorAnswer | None
    created_at: datetime
    started_at: datetime | None
    staged_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime | None


class ChunkPageAnswer(Answer):
    """A page of chunks; a null token: nothing more now, go on from the last index + 1."""

    chunks: list[ChunkAnswer]
    next_page_token: str | None


class JobAnswer(JobSummary):
    """A job with a page of its chunks."""

    chunks: list[ChunkAnswer]
    next_page_token: str | None


class JobPageAnswer(Answer):
    """A page of jobs, newest first."""

    jobs: list[JobSummary]
    next_page_token: str | None


class AckedJob(Answer):
    """What an ack did to the job."""

    chunks_acked: int = _Count
    state: JobState


class AckAnswer(Answer):
    """An acknowledgement; `acked_at` is that of the consumer's first one."""

    chunk_id: str
    chunk_index: int = _Count
    acked_at: datetime
    job: AckedJob


class ConnectionAnswer(Answer):
    """A connection as its users see it."""

    name: str
    kind: str


class ConnectionsAnswer(Answer):
    """The organisation's connections, by name."""

    connections: list[ConnectionAnswer]


class HealthAnswer(Answer):
    """The process answers."""

    status: Literal["ok"]


class PartAnswer(Answer):
    """One part as a probe found it."""

    state: Literal["up", "down"]
    required: bool
    detail: str | None


class ReadyAnswer(Answer):
    """Every required part is up."""

    status: Literal["ready"]
    parts: dict[str, PartAnswer]


class VersionAnswer(Answer):
    """Which build this is."""

    name: str
    version: str
    api: str
