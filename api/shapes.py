"""The contract's JSON of jobs and manifests, built from the catalog's words."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from staging.core.chunks import Chunk
from staging.core.jobs import Job
from staging.core.wire import instant

_MANIFEST_FACTS = (
    "chunk_id",
    "chunk_index",
    "partition_id",
    "row_offset",
    "row_count",
    "byte_count",
    "sha256",
)


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
        "progress": asdict(job.progress) | {"fraction": job.progress.fraction},
        "manifest": _summary_json(job),
        "error": None if job.error is None else asdict(job.error),
        "created_at": instant(job.created_at),
        "started_at": instant(job.started_at),
        "staged_at": instant(job.staged_at),
        "finished_at": instant(job.finished_at),
        "expires_at": instant(job.expires_at),
    }


def manifest_json(job: Job, chunks: Sequence[Chunk]) -> dict[str, Any]:
    """Give the sealed manifest, every chunk in order."""
    listed = [{fact: getattr(chunk, fact) for fact in _MANIFEST_FACTS} for chunk in chunks]
    return {"job_id": job.job_id, **_summary_json(job), "chunks": listed}


def _summary_json(job: Job) -> dict[str, Any]:
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
    return summary


def _snapshot_json(job: Job) -> dict[str, Any] | None:
    if job.snapshot is None:
        return None
    return {"class": job.snapshot.snapshot_class.value, "value": job.snapshot.value}
