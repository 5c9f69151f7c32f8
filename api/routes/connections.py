"""Connections: what a source may name."""

from fastapi import Response
from starlette.responses import JSONResponse

from api import PREFIX
from api.call import ThisCall
from api.models.answers import ConnectionsAnswer
from api.query_string import NO_QUERY
from api.registry import connections_of
from api.routers import new_router

router = new_router("connections", PREFIX)


@router.get("/connections", response_model=ConnectionsAnswer, dependencies=[NO_QUERY])
def list_connections(call: ThisCall) -> Response:
    """List the connections that the organisation may use; never where they lead."""
    found = connections_of(call.parts.connections, call.org_id)
    return JSONResponse({"connections": [{"name": c.name, "kind": c.kind} for c in found]})
