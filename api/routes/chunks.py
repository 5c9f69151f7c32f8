"""Chunks: list, acknowledge, refresh."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Response
from starlette.responses import JSONResponse

from api.body import JsonRoute
from api.call import ThisCall
from api.models.answers import AckAnswer, ChunkAnswer, ChunkPageAnswer
from api.models.queries import ChunksQuery, RefreshQuery
from api.models.requests import AckBody
from api.query_string import NO_QUERY
from api.reading import chunk_page
from api.requesting import acknowledge
from staging.core.wire import acknowledgement_json

router = APIRouter(route_class=JsonRoute, tags=["chunks"])


@router.get("/jobs/{job_id}/chunks", response_model=ChunkPageAnswer)
def list_chunks(job_id: str, query: Annotated[ChunksQuery, Query()], call: ThisCall) -> Response:
    """List a job's chunks in order."""
    job = call.parts.catalog.job(call.org_id, job_id)
    return JSONResponse(chunk_page(call.parts, job, query))


@router.post(
    "/jobs/{job_id}/chunks/{chunk_id}/ack", response_model=AckAnswer, dependencies=[NO_QUERY]
)
def acknowledge_chunk(
    job_id: str, chunk_id: str, call: ThisCall, body: AckBody | None = None
) -> Response:
    """Acknowledge a chunk, by id or index; the last ack of a staged job completes it."""
    ack = acknowledge(call, job_id, chunk_id, body or AckBody())
    return JSONResponse(acknowledgement_json(ack))


@router.get("/jobs/{job_id}/chunks/{chunk_id}/refresh", response_model=ChunkAnswer)
def refresh_chunk(
    job_id: str, chunk_id: str, query: Annotated[RefreshQuery, Query()], call: ThisCall
) -> Response:
    """Give a chunk, by id or index, with a new link."""
    job = call.parts.catalog.job(call.org_id, job_id)
    chunk = call.parts.catalog.chunk(call.org_id, job_id, chunk_id)
    asked = timedelta(seconds=query.url_ttl_seconds) if query.url_ttl_seconds else None
    shown = call.parts.handout.fresh(job, chunk, asked, call.parts.now())
    return JSONResponse(shown, headers={"Cache-Control": "no-store"})
