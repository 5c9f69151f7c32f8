"""POST /jobs with an Idempotency-Key: one key, one body, one job."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from tests.contract.api.service import APP, pointers, problem_of
from tests.contract.catalog_steps import NOW


def test_the_same_key_and_body_give_the_same_job_as_it_is_now(service):
    body, headers = {"source": APP, "name": "x"}, {"Idempotency-Key": "run 12"}
    first = service.post("/jobs", json=body, headers=headers)
    service.post(f"/jobs/{first.json()['job_id']}/pause")

    again = service.client.post(
        "/api/v1/staging/jobs",
        content=b'{ "name":"x",  "source":{"table":"users","connection":"app"}}',
        headers=headers,
    )

    assert (again.status_code, again.headers["idempotent-replayed"]) == (202, "true")
    assert again.headers["location"] == first.headers["location"]
    assert again.json()["state"] == "pausing"
    assert "idempotent-replayed" not in first.headers
    assert [signal for _, signal in service.temporal.told] == [None, "pause"]


def test_a_replay_does_not_ask_the_source_again(service):
    body, headers = {"source": APP}, {"Idempotency-Key": "run 12"}
    first = service.post("/jobs", json=body, headers=headers).json()
    (service.folder / "app.db").unlink()

    assert service.post("/jobs", json=body, headers=headers).json()["job_id"] == first["job_id"]


def test_the_same_key_with_another_body_is_refused(service):
    headers = {"Idempotency-Key": "run 12"}
    first = service.post("/jobs", json={"source": APP}, headers=headers).json()

    answer = service.post("/jobs", json={"source": APP, "name": "other"}, headers=headers)

    assert problem_of(answer) == (422, "idempotency_mismatch")
    assert pointers(answer) == ["#/header/Idempotency-Key"]
    assert first["job_id"] in answer.json()["detail"]


def test_a_key_is_the_organisations_own_and_lasts_a_day(service):
    body, headers = {"source": APP}, {"Idempotency-Key": "run 12"}
    first = service.post("/jobs", json=body, headers=headers).json()
    other = service.post("/jobs", json=body, headers=headers | {"X-Org-ID": "2"}).json()
    service.clock.now = NOW + timedelta(hours=25)
    later = service.post("/jobs", json=body, headers=headers).json()

    assert len({job["job_id"] for job in (first, other, later)}) == 3


def test_a_refused_body_does_not_use_its_key_up(service):
    headers = {"Idempotency-Key": "run 12"}
    refused = service.post("/jobs", json={"source": APP | {"table": "user"}}, headers=headers)

    accepted = service.post("/jobs", json={"source": APP}, headers=headers)

    assert (refused.status_code, accepted.status_code) == (422, 202)
    assert "idempotent-replayed" not in accepted.headers


@pytest.mark.parametrize("key", ["", "k" * 256])
def test_a_key_out_of_range_is_pointed_at(service, key):
    answer = service.post("/jobs", json={"source": APP}, headers={"Idempotency-Key": key})

    assert pointers(answer) == ["#/header/Idempotency-Key"]


@pytest.mark.parametrize(("length", "status"), [(255, 202), (256, 422)])
def test_a_key_is_as_long_as_its_characters_are_many(service, length, status):
    headers = [(b"Idempotency-Key", ("ü" * length).encode())]

    answers = [service.post("/jobs", json={"source": APP}, headers=headers) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [status] * 2
    assert len(service.get("/jobs").json()["jobs"]) == (status == 202)


def test_a_key_given_twice_is_a_bad_request(service):
    headers = [("Idempotency-Key", "run 12"), ("Idempotency-Key", "run 13")]

    answer = service.post("/jobs", json={"source": APP}, headers=headers)

    assert problem_of(answer) == (400, "bad_request")
    assert "Idempotency-Key is given twice" in answer.json()["detail"]
    assert service.get("/jobs").json()["jobs"] == []


def test_creates_at_once_with_one_key_make_one_job(service):
    headers = {"Idempotency-Key": "run 12"}

    with ThreadPoolExecutor(8) as threads:
        answers = list(
            threads.map(
                lambda _: service.post("/jobs", json={"source": APP}, headers=headers), range(16)
            )
        )

    assert [answer.status_code for answer in answers] == [202] * 16
    assert len({answer.json()["job_id"] for answer in answers}) == 1
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    assert len(service.get("/jobs").json()["jobs"]) == 1
