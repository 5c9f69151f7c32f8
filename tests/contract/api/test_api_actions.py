"""Pause, resume, cancel: what they answer in each state, and whom they wake."""

import pytest

from staging.core.jobs import JobState
from tests.contract.api.service import problem_of, without_links
from tests.contract.catalog_steps import job_in

S = JobState
MOVES = {"pause": "pausing", "resume": "running", "cancel": "cancelling"}


def ask(service, job_id, action):
    if action == "cancel":
        return service.delete(f"/jobs/{job_id}")
    return service.post(f"/jobs/{job_id}/{action}")


@pytest.mark.parametrize(
    ("action", "state"),
    [
        ("pause", S.PENDING),
        ("pause", S.RUNNING),
        ("resume", S.PAUSING),
        ("resume", S.PAUSED),
        ("cancel", S.PENDING),
        ("cancel", S.RUNNING),
        ("cancel", S.PAUSING),
        ("cancel", S.PAUSED),
        ("cancel", S.STAGED),
    ],
)
def test_a_request_that_moves_the_job_is_accepted_and_wakes_its_workflow(service, action, state):
    job_id = job_in(service.catalog, state).job_id

    answer = ask(service, job_id, action)

    assert (answer.status_code, answer.json()["state"]) == (202, MOVES[action])
    assert service.temporal.told == [(job_id, action)]
    shown = service.get(f"/jobs/{job_id}")
    assert without_links(shown.json()) == without_links(answer.json())
    assert shown.headers["etag"] == answer.headers["etag"]


@pytest.mark.parametrize(
    ("action", "state"),
    [
        ("pause", S.PAUSING),
        ("pause", S.PAUSED),
        ("resume", S.RUNNING),
        ("cancel", S.CANCELLING),
        ("cancel", S.COMPLETED),
        ("cancel", S.FAILED),
        ("cancel", S.CANCELLED),
        ("cancel", S.EXPIRED),
    ],
)
def test_a_request_for_what_is_so_already_changes_nothing(service, action, state):
    job = job_in(service.catalog, state)

    answer = ask(service, job.job_id, action)

    assert (answer.status_code, answer.json()["state"]) == (200, state.value)
    assert answer.headers["etag"] == f'W/"{job.revision}"'
    assert service.temporal.told == []


@pytest.mark.parametrize(
    ("action", "state", "allowed"),
    [
        ("pause", S.STAGED, ["cancel", "ack"]),
        ("resume", S.STAGED, ["cancel", "ack"]),
        ("resume", S.PENDING, ["pause", "cancel"]),
        ("pause", S.CANCELLING, ["cancel"]),
        ("resume", S.COMPLETED, ["cancel"]),
        ("pause", S.FAILED, ["cancel"]),
    ],
)
def test_a_request_that_the_state_does_not_allow_is_a_conflict(service, action, state, allowed):
    job = job_in(service.catalog, state)

    answer = ask(service, job.job_id, action)

    assert problem_of(answer) == (409, "state_conflict")
    assert (answer.json()["current_state"], answer.json()["allowed"]) == (state.value, allowed)
    assert job.job_id in answer.json()["detail"]
    assert service.catalog.job(1, job.job_id).revision == job.revision
    assert service.temporal.told == []


@pytest.mark.parametrize("state", [S.PAUSING, S.PAUSED])
def test_the_clock_of_a_paused_job_stands_still(service, state):
    job_id = job_in(service.catalog, state).job_id

    assert service.get(f"/jobs/{job_id}").json()["expires_at"] is None
    assert ask(service, job_id, "resume").json()["expires_at"] is not None


def test_requests_are_answered_while_temporal_is_down(service):
    service.temporal.is_down = True
    job_id = job_in(service.catalog, S.RUNNING).job_id

    answers = [ask(service, job_id, action) for action in ("pause", "resume", "cancel")]

    assert [answer.status_code for answer in answers] == [202, 202, 202]
    assert service.get(f"/jobs/{job_id}").json()["state"] == "cancelling"
