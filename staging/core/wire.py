"""The contract's JSON of jobs, chunks and acknowledgements, the same by HTTP and by Flight."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from staging.core.chunks import Acknowledgement, Chunk
from staging.core.high_water import mark_value
from staging.core.jobs import Job, Progress
from staging.core.source_spec import Incremental


@lru_cache(maxsize=64)  # a page of links has few ends, and a thousand links
def instant(at: datetime | None) -> str | None:
    """Give a moment as RFC 3339 in UTC with milliseconds and `Z`."""
    if at is None:
        return None
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def chunk_json(chunk: Chunk, ticket: str | None, locations: Sequence[str]) -> dict[str, Any]:
    """Give the contract's chunk without its link; `ticket` is base64 text, None once it is gone."""
    return {
        "chunk_id": chunk.chunk_id,
        "chunk_index": chunk.chunk_index,
        "partition_id": chunk.partition_id,
        "row_offset": chunk.row_offset,
        "row_count": chunk.row_count,
        "byte_count": chunk.byte_count,
        "sha256": chunk.sha256,
        "state": chunk.state.value,
        "flight": {"ticket": ticket, "locations": list(locations)},
        "acked_at": instant(chunk.acked_at),
    }


def acknowledgement_json(ack: Acknowledgement) -> dict[str, Any]:
    """Give the contract's answer to an ack."""
    return {
        "chunk_id": ack.chunk_id,
        "chunk_index": ack.chunk_index,
        "acked_at": instant(ack.acked_at),
        "job": {"chunks_acked": ack.chunks_acked, "state": ack.state.value},
    }


def job_json(job: Job) -> dict[str, Any]:
    """Give the contract's job without its chunks."""
    return {
        "job_id": job.job_id,
        "org_id": job.org_id,
        "user_id": job.user_id,
        "name": job.name,
        "labels": dict(job.labels),
        "state": job.state.value,
        "source": job.source.to_json(),
        "options": asdict(job.options) | {"consumers": list(job.options.consumers)},
        "progress": progress_json(job.progress),
        "manifest": manifest_summary_json(job),
        "error": None if job.error is None else asdict(job.error),
        "created_at": instant(job.created_at),
        "started_at": instant(job.started_at),
        "staged_at": instant(job.staged_at),
        "finished_at": instant(job.finished_at),
        "expires_at": instant(job.expires_at),
    }


def progress_json(progress: Progress) -> dict[str, Any]:
    """Give how far a job is."""
    return asdict(progress) | {"fraction": progress.fraction}


def manifest_summary_json(job: Job) -> dict[str, Any]:
    """Give what a job promises, without its chunks."""
    summary: dict[str, Any] = {
        "sealed": job.is_sealed,
        "chunk_count": job.progress.chunks_published,
        "row_count": job.progress.rows,
        "byte_count": job.progress.bytes,
        "schema": None if job.schema is None else [asdict(column) for column in job.schema],
        "schema_fingerprint": job.schema_fingerprint,
        "snapshot": _snapshot_json(job),
    }
    if job.options.on_unrepresentable == "null":
        summary["nulled"] = dict(job.nulled)
    if job.source.incremental is not None:
        summary["incremental"] = _incremental_json(job, job.source.incremental)
    return summary


def _incremental_json(job: Job, asked: Incremental) -> dict[str, Any]:
    """Give the mark from which the next job goes on; None while rows below it may be missing."""
    mark = asked.after if job.is_sealed else None
    if job.is_sealed and job.high_water is not None:
        kinds = {column.name: column.type for column in job.schema or ()}
        mark = mark_value(kinds[asked.column], job.high_water)
    return asdict(asked) | {"high_water": mark}


def _snapshot_json(job: Job) -> dict[str, Any] | None:
    if job.snapshot is None:
        return None
    return {"class": job.snapshot.snapshot_class.value, "value": job.snapshot.value}
