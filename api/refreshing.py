"""New links of single chunks, for all who ask at once in one transaction."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from api.wiring import Wiring
from staging.core.chunks import Chunk
from staging.core.errors import StagingError, UnknownChunk, UnknownJob
from staging.core.jobs import Job


@dataclass(frozen=True, slots=True)
class Refresh:
    """Which chunk, by id or index, and how long its link shall live; None: as the job says."""

    org_id: int
    job_id: str
    ref: str
    url_ttl_seconds: int | None


async def refreshed(parts: Wiring, asked: Refresh) -> dict[str, Any]:
    """Give the chunk with a new link.

    Raises UnknownJob, UnknownChunk, Gone, CatalogUnavailable, StorageError.
    """
    chunk: dict[str, Any] = await parts.refreshes.ask(asked, lambda every: _fresh(parts, every))
    return chunk


def _fresh(
    parts: Wiring, asked: Collection[Refresh]
) -> Mapping[Refresh, dict[str, Any] | StagingError]:
    answers: dict[Refresh, dict[str, Any] | StagingError] = {}
    for job in {(each.org_id, each.job_id) for each in asked}:
        of_job = [each for each in asked if (each.org_id, each.job_id) == job]
        try:
            found = parts.catalog.job_and_chunks(*job, [each.ref for each in of_job])
        except UnknownJob as unknown:
            answers |= dict.fromkeys(of_job, unknown)
        else:
            answers |= {each: _answer(parts, each, *found) for each in of_job}
    return answers


def _answer(
    parts: Wiring, asked: Refresh, job: Job, chunks: Mapping[str, Chunk]
) -> dict[str, Any] | StagingError:
    if asked.ref not in chunks:
        return UnknownChunk(f"job {asked.job_id} has no chunk {asked.ref}")
    life = timedelta(seconds=asked.url_ttl_seconds) if asked.url_ttl_seconds else None
    try:
        return parts.handout.fresh(job, chunks[asked.ref], life, parts.now())
    except StagingError as refused:
        return refused
