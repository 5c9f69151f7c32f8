"""Read jobs and pages of chunks as the contract shows them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import JSONResponse

from api.etags import etag
from api.manifest import manifest_json
from api.models.queries import ChunksQuery, JobsQuery
from api.watching import JobKey
from api.wiring import Wiring
from staging.core.chunks import Chunk
from staging.core.errors import BadRequest, NotSealed
from staging.core.jobs import Job, allowed_actions
from staging.core.wire import job_json

_FIRST_PAGE = ChunksQuery()
_MANIFEST_PAGE = 1000


@dataclass(frozen=True, slots=True)
class _Slice:
    """The chunks from `since_index` on, `limit` at most."""

    since_index: int
    limit: int


def job_answer(
    parts: Wiring,
    job: Job,
    query: ChunksQuery = _FIRST_PAGE,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Answer with a job, a page of its chunks, and its tag."""
    body = job_json(job) | chunk_page(parts, job, query)
    return JSONResponse(body, status, {"ETag": etag(job.revision), **(headers or {})})


def chunk_page(parts: Wiring, job: Job, query: ChunksQuery) -> dict[str, Any]:
    """Give a page of the chunks that this state of the job counts.

    Raises BadPageToken, BadRequest.
    """
    listing = _listing(job.org_id, job.job_id)
    page = _slice(parts, listing, query)
    published = job.progress.chunks_published
    limit = min(page.limit, published - page.since_index)
    found = _chunks(parts, job, _Slice(page.since_index, limit)) if limit > 0 else []
    end = page.since_index + len(found)
    return {
        "chunks": parts.handout.page(job, found, parts.now()),
        "next_page_token": parts.tokens.make(listing, str(end)) if end < published else None,
    }


def check_page(parts: Wiring, job: JobKey, query: ChunksQuery) -> None:
    """Raise BadPageToken or BadRequest if the query names no page of the job's chunks."""
    _slice(parts, _listing(*job), query)


def job_page(parts: Wiring, org_id: int, query: JobsQuery) -> dict[str, Any]:
    """Give a page of the organisation's jobs, newest first; raises BadPageToken."""
    listing = f"jobs {org_id} {query.state} {query.label}"
    token = query.page_token
    before = None if token is None else parts.tokens.open(listing, token)
    found = parts.catalog.list_jobs(
        org_id,
        state=query.state,
        label=_label(query.label),
        before=before,
        limit=query.page_size + 1,
    )
    jobs, has_more = found[: query.page_size], len(found) > query.page_size
    token = parts.tokens.make(listing, jobs[-1].job_id) if has_more else None
    return {"jobs": [job_json(job) for job in jobs], "next_page_token": token}


def sealed_manifest(parts: Wiring, job: Job) -> dict[str, Any]:
    """Give the manifest of a sealed job; raises NotSealed."""
    if not job.is_sealed:
        raise NotSealed(
            f"the manifest of job {job.job_id} is not sealed: the job is {job.state}",
            current_state=job.state,
            allowed=allowed_actions(job.state),
        )
    chunks: list[Chunk] = []
    while len(chunks) < job.progress.chunks_published:
        chunks += _chunks(parts, job, _Slice(len(chunks), _MANIFEST_PAGE))
    return manifest_json(job, chunks)


def _listing(org_id: int, job_id: str) -> str:
    return f"chunks {org_id} {job_id}"


def _slice(parts: Wiring, listing: str, query: ChunksQuery) -> _Slice:
    if query.page_token is None:
        return _Slice(query.since_index or 0, query.page_size)
    if query.since_index is not None:
        raise BadRequest("give page_token or since_index, not both")
    return _Slice(int(parts.tokens.open(listing, query.page_token)), query.page_size)


def _chunks(parts: Wiring, job: Job, page: _Slice) -> list[Chunk]:
    return parts.catalog.chunks(
        job.org_id, job.job_id, since_index=page.since_index, limit=page.limit
    )


def _label(label: str | None) -> tuple[str, str] | None:
    if label is None:
        return None
    key, _, value = label.partition(":")
    return key, value
