"""Rows of the catalog as the dataclasses of staging.core, and back."""

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from staging.catalog.tables import Row, chunks
from staging.core.chunks import Chunk, ChunkState
from staging.core.jobs import Job, JobDraft, JobError, JobOptions, JobState, Progress, Retain
from staging.core.manifest import Column, Snapshot
from staging.core.source_spec import SourceSpec

CHUNK_COLUMNS = (
    chunks.c.chunk_id,
    chunks.c.job_id,
    chunks.c.chunk_index,
    chunks.c.partition_id,
    chunks.c.row_offset,
    chunks.c.row_count,
    chunks.c.byte_count,
    chunks.c.sha256,
    chunks.c.key,
    chunks.c.acked_at,
    chunks.c.deleted_at,
)
"""The columns of a chunk, in the order in which chunk_of takes them."""


def job_of(row: Row) -> Job:
    """Read a whole row of `jobs`."""
    return Job(
        job_id=row.job_id,
        org_id=row.org_id,
        user_id=row.user_id,
        name=row.name,
        labels=row.labels,
        state=row.state,
        source=SourceSpec.from_json(row.source),
        options=options_of(row.options),
        progress=_progress_of(row),
        created_at=row.created_at,
        started_at=row.started_at,
        staged_at=row.staged_at,
        finished_at=row.finished_at,
        expires_at=row.expires_at,
        revision=row.revision,
        is_planned=row.is_planned,
        is_sealed=row.is_sealed,
        schema=None if row.columns is None else tuple(Column(**each) for each in row.columns),
        schema_fingerprint=row.schema_fingerprint,
        arrow_schema=row.arrow_schema,
        snapshot=None if row.snapshot is None else Snapshot.from_json(row.snapshot),
        error=_error_of(row),
        nulled=row.nulled,
        high_water=row.high_water,
    )


def chunk_of(row: Row) -> Chunk:
    """Read a row of CHUNK_COLUMNS; by position, which halves the time of a page."""
    (chunk_id, job_id, index, partition, offset, rows, size, sha256, key, acked, deleted) = row
    return Chunk(
        chunk_id=chunk_id,
        job_id=job_id,
        chunk_index=index,
        partition_id=partition,
        row_offset=offset,
        row_count=rows,
        byte_count=size,
        sha256=sha256,
        key=key,
        state=_chunk_state(acked, deleted),
        acked_at=acked,
    )


def options_of(stored: dict[str, Any]) -> JobOptions:
    """Read the options that job_row wrote."""
    return JobOptions(
        **stored | {"retain": Retain(stored["retain"]), "consumers": tuple(stored["consumers"])}
    )


def job_row(draft: JobDraft, now: datetime) -> dict[str, Any]:
    """Give the first row of an accepted job."""
    return {
        "job_id": draft.job_id,
        "org_id": draft.org_id,
        "user_id": draft.user_id,
        "name": draft.name,
        "labels": dict(draft.labels),
        "state": JobState.PENDING,
        "source": draft.source.to_json(),
        "connection": draft.source.connection,
        "options": asdict(draft.options),
        "created_at": now,
        "moved_at": now,
        "expires_at": now + timedelta(seconds=draft.options.ttl_seconds),
        "is_planned": False,
        "is_sealed": False,
        "nulled": {},
        "revision": 1,
    } | dict.fromkeys(_COUNTS, 0)


_COUNTS = (
    "partitions_done",
    "chunks_published",
    "chunks_acked",
    "row_count",
    "byte_count",
    "term",
    "fence_floor",
    "running_attempts",
    "holders",
)


def _progress_of(row: Row) -> Progress:
    return Progress(
        partitions_total=row.partitions_total,
        partitions_done=row.partitions_done,
        chunks_published=row.chunks_published,
        chunks_acked=row.chunks_acked,
        rows=row.row_count,
        bytes=row.byte_count,
    )


def _error_of(row: Row) -> JobError | None:
    if row.error_code is None:
        return None
    return JobError(row.error_code, row.error_detail, row.error_partition_id)


def _chunk_state(acked_at: datetime | None, deleted_at: datetime | None) -> ChunkState:
    if deleted_at is not None:
        return ChunkState.DELETED
    return ChunkState.AVAILABLE if acked_at is None else ChunkState.ACKED
