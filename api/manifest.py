"""The contract's JSON of a sealed manifest."""

from collections.abc import Sequence
from typing import Any

from staging.core.chunks import Chunk
from staging.core.jobs import Job
from staging.core.wire import manifest_summary_json

_MANIFEST_FACTS = (
    "chunk_id",
    "chunk_index",
    "partition_id",
    "row_offset",
    "row_count",
    "byte_count",
    "sha256",
)


def manifest_json(job: Job, chunks: Sequence[Chunk]) -> dict[str, Any]:
    """Give the sealed manifest, every chunk in order."""
    listed = [{fact: getattr(chunk, fact) for fact in _MANIFEST_FACTS} for chunk in chunks]
    return {"job_id": job.job_id, **manifest_summary_json(job), "chunks": listed}
