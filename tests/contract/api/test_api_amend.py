"""PATCH: a job's TTL, labels and name."""

import pytest

from staging.core.jobs import JobState
from tests.contract.api.service import pointers, problem_of
from tests.contract.catalog_steps import job_in

STRANGER = {"X-Org-ID": "2"}


def patch(service, job_id: str, body, **given):
    return service.request("PATCH", f"/jobs/{job_id}", json=body, **given)


def test_a_ttl_is_extended_and_the_workflow_woken(service):
    job = service.create()
    service.temporal.told.clear()

    answer = patch(service, job["job_id"], {"ttl_seconds": 172_800})

    shown = answer.json()
    assert answer.status_code == 200
    assert shown["options"]["ttl_seconds"] == 172_800
    assert (job["expires_at"], shown["expires_at"]) == (
        "2026-01-03T03:04:05.678Z",
        "2026-01-04T03:04:05.678Z",
    )
    assert service.temporal.told == [(job["job_id"], "ttl-changed")]
    again = service.get(f"/jobs/{job['job_id']}")
    assert (again.json(), again.headers["etag"]) == (shown, answer.headers["etag"])


def test_labels_are_replaced_and_a_name_goes_and_nobody_is_woken(service):
    job = service.create(name="first", labels={"run": "12", "b": "c"})
    service.temporal.told.clear()
    path = f"/jobs/{job['job_id']}"
    tag = service.get(path).headers["etag"]

    answer = patch(service, job["job_id"], {"labels": {"run": "13"}, "name": None})

    assert (answer.json()["labels"], answer.json()["name"]) == ({"run": "13"}, None)
    assert service.temporal.told == []
    assert service.get(path, headers={"If-None-Match": tag}).status_code == 200
    assert [each["job_id"] for each in service.get("/jobs?label=run:13").json()["jobs"]] == [
        job["job_id"]
    ]


@pytest.mark.parametrize("body", [{}, {"ttl_seconds": 86_400}, {"ttl_seconds": 86_400.0}])
def test_what_is_so_already_changes_nothing(service, body):
    job = service.create()
    service.temporal.told.clear()
    before = service.get(f"/jobs/{job['job_id']}")

    answer = patch(service, job["job_id"], body)

    assert answer.status_code == 200
    assert (answer.json(), answer.headers["etag"]) == (before.json(), before.headers["etag"])
    assert service.temporal.told == []


def test_the_change_is_kept_while_temporal_is_down(service):
    job = service.create()
    service.temporal.is_down = True

    assert patch(service, job["job_id"], {"ttl_seconds": 60}).status_code == 200
    assert service.get(f"/jobs/{job['job_id']}").json()["options"]["ttl_seconds"] == 60


@pytest.mark.parametrize(
    ("body", "places"),
    [
        ({"ttl_seconds": 0}, ["#/ttl_seconds"]),
        ({"ttl_seconds": 2_592_001}, ["#/ttl_seconds"]),
        ({"ttl_seconds": "60"}, ["#/ttl_seconds"]),
        ({"ttl_seconds": None}, ["#/ttl_seconds"]),
        ({"ttl_seconds": True}, ["#/ttl_seconds"]),
        ({"ttl_seconds": 1.5}, ["#/ttl_seconds"]),
        ({"labels": None}, ["#/labels"]),
        ({"labels": {"a:b": "c"}}, ["#/labels/a:b"]),
        ({"labels": {"a": 1}}, ["#/labels/a"]),
        ({"labels": {str(n): "" for n in range(65)}}, ["#/labels"]),
        ({"name": ""}, ["#/name"]),
        ({"name": "a\nb"}, ["#/name"]),
        ({"state": "staged", "options": {}}, ["#/state", "#/options"]),
        ([], ["#"]),
    ],
)
def test_what_cannot_be_changed_so_is_pointed_at_and_nothing_changes(service, body, places):
    job = service.create()

    answer = patch(service, job["job_id"], body)

    assert problem_of(answer)[0] == 422
    assert pointers(answer) == places
    assert service.get(f"/jobs/{job['job_id']}").json() == job


def test_a_body_that_is_missing_or_no_json_is_refused(service):
    path = f"/jobs/{service.create()['job_id']}"

    assert problem_of(service.request("PATCH", path)) == (400, "not_json")
    assert problem_of(service.request("PATCH", path, content=b"{")) == (400, "not_json")
    form = service.request("PATCH", path, data={"name": "x"})
    assert problem_of(form) == (415, "unsupported_media_type")


@pytest.mark.parametrize("state", [JobState.CANCELLING, JobState.COMPLETED, JobState.EXPIRED])
def test_the_ttl_of_a_job_that_ends_is_refused_and_its_labels_are_taken(service, state):
    job_id = job_in(service.catalog, state).job_id

    refused = patch(service, job_id, {"ttl_seconds": 99, "labels": {"a": "b"}})
    taken = patch(service, job_id, {"labels": {"c": "d"}})

    assert problem_of(refused) == (409, "state_conflict")
    assert (refused.json()["current_state"], refused.json()["allowed"]) == (state, ["cancel"])
    assert (taken.status_code, taken.json()["labels"]) == (200, {"c": "d"})
    assert service.temporal.told == []


def test_a_foreign_job_is_unknown(service):
    job = service.create()

    foreign = patch(service, job["job_id"], {"name": "mine"}, headers=STRANGER)
    unknown = patch(service, "x", {"name": "mine"}, headers=STRANGER)

    assert problem_of(foreign) == problem_of(unknown) == (404, "not_found")
    assert service.get(f"/jobs/{job['job_id']}").json()["name"] is None
