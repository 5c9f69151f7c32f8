"""A page of another host, which a browser lets send without asking, changes nothing."""

import pytest

from staging.core.jobs import JobState
from tests.contract.api.service import APP, PREFIX, Service, problem_of
from tests.contract.api.test_api_openapi import OPERATIONS
from tests.contract.catalog_steps import job_in

HOST = {"Host": "127.0.0.1:8003"}
CHANGES = [name for name, (_, method, _) in OPERATIONS.items() if method != "get"]


def ask(service: Service, name: str, headers: dict[str, str]) -> int:
    """Give the status of an operation; a refused one has changed nothing."""
    path, method, _ = OPERATIONS[name]
    job_id = job_in(service.catalog, JobState.RUNNING).job_id
    body = {"create_job": {"source": APP}, "amend_job": {"name": "x"}}.get(name)
    answer = service.client.request(
        method, path.format(job_id=job_id, chunk_id=0), json=body, headers=HOST | headers
    )
    if answer.status_code >= 400:
        assert problem_of(answer) == (403, "foreign_origin")
        assert len(service.get("/jobs").json()["jobs"]) == 1
        assert service.get(f"/jobs/{job_id}").json()["state"] == "running"
    return answer.status_code


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "https://evil.example",
        "http://127.0.0.1",
        "http://127.0.0.1:8004",
        "http://localhost:8003",
        "http://evil.example/http://127.0.0.1:8003",
        "http://[",
    ],
)
def test_a_page_of_another_host_changes_nothing(service, name, origin):
    assert ask(service, name, {"Origin": origin}) == 403


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://127.0.0.1:8003"},
        {"Origin": "https://staging.example", "Host": "Staging.example"},
        {"Origin": "http://[::1]:8003", "Host": "[::1]:8003"},
    ],
)
def test_the_console_and_callers_that_are_no_browsers_may(service, name, headers):
    assert ask(service, name, headers) in {200, 202}


def test_a_body_that_a_page_sends_without_a_type_is_refused_by_its_origin(service):
    body = b'{"source": {"connection": "app", "table": "users"}}'

    answer = service.client.post(
        f"{PREFIX}/jobs", content=body, headers={"Origin": "https://evil.example"}
    )

    assert problem_of(answer) == (403, "foreign_origin")
    assert service.get("/jobs").json()["jobs"] == []


def test_what_changes_nothing_is_answered_to_every_page(service):
    headers = {"Origin": "https://evil.example"}

    assert service.get("/jobs", headers=headers).status_code == 200
    assert service.request("OPTIONS", "/jobs", headers=headers).status_code == 204


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_that_changes_something_declares_the_refusal(name):
    assert ("403" in OPERATIONS[name][2]["responses"]) == (name in CHANGES)
