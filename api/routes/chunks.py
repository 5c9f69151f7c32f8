"""Chunks: list, read, acknowledge, refresh."""

from typing import Annotated, Any

from fastapi import Header, Query, Request, Response
from starlette.responses import JSONResponse

from api import PREFIX
from api.call import ThisCall
from api.chunk_data import Asked, data_answer
from api.media_types import ARROW_STREAM, PARQUET
from api.models.answers import AckAnswer, ChunkAnswer, ChunkPageAnswer
from api.models.headers import DataHeaders
from api.models.queries import ChunksQuery, RefreshQuery
from api.models.requests import AckBody
from api.query_string import NO_QUERY
from api.reading import chunk_page
from api.refreshing import Refresh, refreshed
from api.requesting import acknowledge
from api.routers import new_router
from staging.core.wire import acknowledgement_json

_BINARY = {"type": "string", "format": "binary"}
DATA: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The whole chunk, in the form that Accept asks for.",
        "content": {PARQUET: {"schema": _BINARY}, ARROW_STREAM: {"schema": _BINARY}},
    },
    206: {
        "description": "The range of the Parquet file.",
        "content": {PARQUET: {"schema": _BINARY}},
    },
}
router = new_router("chunks", PREFIX)


@router.get("/jobs/{job_id}/chunks", response_model=ChunkPageAnswer)
def list_chunks(job_id: str, query: Annotated[ChunksQuery, Query()], call: ThisCall) -> Response:
    """List a job's chunks in order."""
    job = call.parts.catalog.job(call.org_id, job_id)
    return JSONResponse(chunk_page(call.parts, job, query))


@router.get(
    "/jobs/{job_id}/chunks/{chunk_id}/data",
    response_class=Response,
    responses=DATA,
    dependencies=[NO_QUERY],
)
def read_chunk_data(
    job_id: str,
    chunk_id: str,
    call: ThisCall,
    request: Request,
    headers: Annotated[DataHeaders, Header()],
) -> Response:
    """Read a chunk's bytes, by id or index: Parquet, whole or a range; or an Arrow stream."""
    accept = ",".join(request.headers.getlist("accept"))
    asked = Asked(accept, headers.range, headers.if_range)
    return data_answer(call.parts, call.org_id, (job_id, chunk_id), asked)


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
async def refresh_chunk(
    job_id: str, chunk_id: str, query: Annotated[RefreshQuery, Query()], call: ThisCall
) -> Response:
    """Give a chunk, by id or index, with a new link."""
    asked = Refresh(call.org_id, job_id, chunk_id, query.url_ttl_seconds)
    shown = await refreshed(call.parts, asked)
    return JSONResponse(shown, headers={"Cache-Control": "no-store"})
