"""Operations that are bound by our own plan answer as they would if FastAPI bound them."""

from typing import Annotated

import pytest
from fastapi import FastAPI, Query, Response
from fastapi.routing import APIRoute
from starlette.responses import JSONResponse
from starlette.testclient import TestClient

from api.app import routed_app
from api.binding import Binding
from api.body import JsonRoute
from api.call import ThisCall
from api.models.queries import ChunksQuery
from api.problems import install_problems
from api.query_string import NO_QUERY
from api.routers import BoundRoute

BOUND = {
    "list_jobs",
    "cancel_job",
    "pause_job",
    "resume_job",
    "read_manifest",
    "read_nodes",
    "list_chunks",
    "refresh_chunk",
    "list_connections",
}


def test_what_has_a_path_and_one_query_alone_is_bound_by_our_plan():
    routes = [each for each in routed_app().routes if isinstance(each, APIRoute)]

    assert {each.name for each in routes if Binding.of(each.endpoint, each.dependencies)} == BOUND


def with_query(job_id: str, query: Annotated[ChunksQuery, Query()], call: ThisCall) -> Response:
    call.background.add_task(told.append, job_id)
    return JSONResponse({"id": job_id, "org": call.org_id, **query.model_dump()})


async def without_query(job_id: str, call: ThisCall) -> Response:
    return JSONResponse({"id": job_id, "org": call.org_id})


told: list[str] = []


def client(route_class: type[APIRoute]) -> TestClient:
    app = FastAPI()
    app.state.wiring = None
    app.router.route_class = route_class
    app.router.add_api_route("/a/{job_id}", with_query)
    app.router.add_api_route("/b/{job_id}", without_query, dependencies=[NO_QUERY])
    install_problems(app)
    return TestClient(app)


@pytest.mark.parametrize(
    "asked",
    [
        "a/x", "a/%C3%A4", "a/x?page_size=7", "a/x?page_size=0", "a/x?page_size=1001",
        "a/x?page_size=x", "a/x?page_size=1.5", "a/x?page_size=", "a/x?page_size=%2B7",
        "a/x?page_size=%FF", "a/x?since_index=0", "a/x?since_index=-1",
        "a/x?since_index=99999999999", "a/x?page_token=", "a/x?page_token=abc", "a/x?nonsense=1",
        "a/x?page_size=0&since_index=-1&nonsense=1", "a/x?page_size=1&page_size=2", "a/x?=1",
        "b/x", "b/x?page_size=1", "b/x?a=1&b=2",
    ],
)  # fmt: skip
@pytest.mark.parametrize("headers", [{}, {"X-Org-ID": "7"}, {"X-Org-ID": "none"}])
def test_our_plan_answers_and_refuses_as_fastapi_does(asked, headers):
    told.clear()
    ours = client(BoundRoute).get(f"/{asked}", headers=headers)
    ours_told = list(told)
    told.clear()
    theirs = client(JsonRoute).get(f"/{asked}", headers=headers)

    assert (ours.status_code, ours.text, ours_told) == (theirs.status_code, theirs.text, told)
