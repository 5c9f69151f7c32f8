"""Say where a job stands, in the contract's words, for readers that speak Flight only."""

import json
from dataclasses import asdict
from typing import Any

from staging.core.jobs import Job
from staging.core.wire import instant


def standing(job: Job) -> bytes:
    """Give the job's state, progress and totals as JSON."""
    progress = job.progress
    shown: dict[str, Any] = {
        "job_id": job.job_id,
        "state": job.state.value,
        "progress": asdict(progress) | {"fraction": progress.fraction},
        "manifest": {
            "sealed": job.is_sealed,
            "chunk_count": progress.chunks_published,
            "row_count": progress.rows,
            "byte_count": progress.bytes,
            "schema_fingerprint": job.schema_fingerprint,
        },
        "error": None if job.error is None else asdict(job.error),
        "expires_at": instant(job.expires_at),
    }
    return json.dumps(shown, separators=(",", ":")).encode()
