"""Jobs: create, list, read, follow, amend, cancel, pause, resume."""

from typing import Annotated, Any

from fastapi import Header, Query, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

from api import PREFIX
from api.accepting import accept_job
from api.call import ThisCall
from api.event_text import EVENT_ID, EVENT_SCHEMA, EVENT_STREAM, Seen
from api.following import events_answer
from api.models.answers import JobAnswer, JobPageAnswer, ManifestAnswer, NodesAnswer
from api.models.headers import HeaderText
from api.models.queries import JobQuery, JobsQuery
from api.models.requests import AmendBody, JobBody
from api.polling import left, news_answer
from api.query_string import NO_QUERY
from api.reading import job_answer, job_page, sealed_manifest
from api.requesting import amend_answer, request_answer
from api.routers import new_router
from staging.core.contracts import Signal

ALREADY: dict[int | str, dict[str, Any]] = {
    200: {"model": JobAnswer, "description": "The job stood there already."}
}
UNCHANGED: dict[int | str, dict[str, Any]] = {304: {"description": "Still that revision."}}
IdempotencyKeyHeader = Annotated[
    str | None, Header(alias="Idempotency-Key", min_length=1, max_length=255), HeaderText
]
IfNoneMatch = Annotated[str | None, Header(alias="If-None-Match")]
LastEventId = Annotated[
    str | None,
    Header(
        alias="Last-Event-ID",
        pattern=EVENT_ID,
        description="The id of the last event that was received; those after it are given.",
    ),
]
EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events until the job is final, and a comment as heartbeat.",
        "content": {EVENT_STREAM: {"schema": EVENT_SCHEMA}},
    },
    204: {"description": "The end was received already; do not connect again."},
}

router = new_router("jobs", PREFIX)


@router.post("/jobs", status_code=202, response_model=JobAnswer, dependencies=[NO_QUERY])
async def create_job(
    body: JobBody, call: ThisCall, idempotency_key: IdempotencyKeyHeader = None
) -> Response:
    """Accept a job; its source is asked first, for at most 5 s."""
    accepted = await accept_job(call.parts, call.identity, body, idempotency_key)
    headers = {"Location": f"{PREFIX}/jobs/{accepted.job.job_id}"}
    if accepted.is_replayed:
        headers["Idempotent-Replayed"] = "true"
    else:
        call.wake_later(accepted.job.job_id)
    return await run_in_threadpool(
        job_answer, call.parts, accepted.job, status=202, headers=headers
    )


@router.get("/jobs", response_model=JobPageAnswer)
def list_jobs(query: Annotated[JobsQuery, Query()], call: ThisCall) -> Response:
    """List the organisation's jobs, newest first."""
    return JSONResponse(job_page(call.parts, call.org_id, query))


@router.get("/jobs/{job_id}", response_model=JobAnswer, responses=UNCHANGED)
async def read_job(
    job_id: str,
    query: Annotated[JobQuery, Query()],
    call: ThisCall,
    request: Request,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Read a job with a page of its chunks; with If-None-Match and wait_seconds, its next news."""
    parts, job = call.parts, (call.org_id, job_id)
    if if_none_match is not None:
        return await news_answer(parts, job, query, if_none_match, lambda: left(request))
    return await run_in_threadpool(lambda: job_answer(parts, parts.catalog.job(*job), query))


@router.patch("/jobs/{job_id}", response_model=JobAnswer, dependencies=[NO_QUERY])
def amend_job(job_id: str, body: AmendBody, call: ThisCall) -> Response:
    """Change a job's TTL, labels or name; a TTL that is over by then ends the job."""
    return amend_answer(call, job_id, body)


@router.delete(
    "/jobs/{job_id}",
    status_code=202,
    response_model=JobAnswer,
    responses=ALREADY,
    dependencies=[NO_QUERY],
)
def cancel_job(job_id: str, call: ThisCall) -> Response:
    """Cancel a job: nothing of it becomes visible any more, and its objects go."""
    asked = call.parts.catalog.request_cancel(call.org_id, job_id, now=call.parts.now())
    return request_answer(call, asked, Signal.CANCEL)


@router.post(
    "/jobs/{job_id}/pause",
    status_code=202,
    response_model=JobAnswer,
    responses=ALREADY,
    dependencies=[NO_QUERY],
)
def pause_job(job_id: str, call: ThisCall) -> Response:
    """Pause a job: no new partition starts, and the TTL clock stands still."""
    asked = call.parts.catalog.request_pause(call.org_id, job_id, now=call.parts.now())
    return request_answer(call, asked, Signal.PAUSE)


@router.post(
    "/jobs/{job_id}/resume",
    status_code=202,
    response_model=JobAnswer,
    responses=ALREADY,
    dependencies=[NO_QUERY],
)
def resume_job(job_id: str, call: ThisCall) -> Response:
    """Resume a job; only what is missing is read."""
    asked = call.parts.catalog.request_resume(call.org_id, job_id, now=call.parts.now())
    return request_answer(call, asked, Signal.RESUME)


@router.get(
    "/jobs/{job_id}/events",
    response_class=Response,
    responses=EVENTS,
    dependencies=[NO_QUERY],
)
async def follow_job(job_id: str, call: ThisCall, last_event_id: LastEventId = None) -> Response:
    """Follow a job by server-sent events: `state`, `chunk`, `progress`, and `end` as the last."""
    return await events_answer(call.parts, (call.org_id, job_id), Seen.read(last_event_id))


@router.get("/jobs/{job_id}/nodes", response_model=NodesAnswer, dependencies=[NO_QUERY])
def read_nodes(job_id: str, call: ThisCall) -> Response:
    """Tell which nodes of the cluster have read how many of the job's partitions."""
    read = call.parts.catalog.partitions_by_node(call.org_id, job_id)
    nodes = [{"node_id": each, "partitions": read[each]} for each in sorted(read)]
    return JSONResponse({"nodes": nodes})


@router.get("/jobs/{job_id}/manifest", response_model=ManifestAnswer, dependencies=[NO_QUERY])
def read_manifest(job_id: str, call: ThisCall) -> Response:
    """Read the sealed manifest, also after the chunks are deleted."""
    return JSONResponse(sealed_manifest(call.parts, call.parts.catalog.job(call.org_id, job_id)))
