"""Another organisation sees nothing, and cannot even tell that there is something."""

import uuid

import pytest

from tests.contract.catalog_steps import staged

STRANGER = {"X-Org-ID": "2"}
OPERATIONS = [
    ("GET", ""),
    ("DELETE", ""),
    ("POST", "/pause"),
    ("POST", "/resume"),
    ("GET", "/chunks"),
    ("GET", "/manifest"),
    ("GET", "/nodes"),
    ("GET", "/events"),
    ("POST", "/chunks/0/ack"),
    ("GET", "/chunks/0/refresh"),
    ("GET", "/chunks/{chunk_id}/refresh"),
    ("GET", "/chunks/0/data"),
    ("GET", "/chunks/{chunk_id}/data"),
    ("GET", "?wait_seconds=20"),
    ("GET", "?page_token=garbage"),
]
STRANGE_IDS = [
    str(uuid.uuid4()),
    "x",
    "0",
    "-1",
    "%00",
    "a%2Fb",
    "%2e%2e",
    "%F0%9F%A6%86",
    "A" * 2000,
]


@pytest.mark.parametrize(("method", "operation"), OPERATIONS)
def test_a_foreign_job_is_answered_like_any_unknown_one(service, method, operation):
    job_id = staged(service.catalog)
    chunk_id = service.catalog.chunk(1, job_id, "0").chunk_id
    before = service.catalog.job(1, job_id)
    headers = STRANGER | {"If-None-Match": "*"}

    answers = []
    for each in (job_id, *STRANGE_IDS):
        path = f"/jobs/{each}{operation.format(chunk_id=chunk_id)}"
        answer = service.request(method, path, headers=headers)
        body = answer.json()
        assert body.pop("instance") == f"/api/v1/staging{path}".split("?")[0]
        assert body.pop("request_id") == answer.headers["x-request-id"]
        body["detail"] = body["detail"].partition("job ")[0]
        answers.append((answer.status_code, body, sorted(answer.headers)))

    assert answers[0][:2] == (
        404,
        {
            "type": "/problems/not_found",
            "title": "Not found",
            "status": 404,
            "detail": "there is no ",
            "code": "not_found",
        },
    )
    assert answers == [answers[0]] * len(answers)
    assert service.catalog.job(1, job_id) == before
    assert service.temporal.told == []


def test_a_foreign_job_is_not_listed(service):
    staged(service.catalog)

    assert service.get("/jobs", headers=STRANGER).json() == {"jobs": [], "next_page_token": None}
