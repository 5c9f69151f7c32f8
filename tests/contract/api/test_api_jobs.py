"""Reading jobs: lists, pages, revisions, waiting for news."""

import threading
import time
from datetime import timedelta

import pytest

from staging.core.contracts import FailureReport
from staging.core.jobs import JobDraft, JobState
from tests.contract.api.service import problem_of, without_links
from tests.contract.catalog_steps import (
    COLUMNS,
    FINGERPRINT,
    NOW,
    a_draft,
    a_receipt,
    accepted,
    begin,
    job_in,
    publish,
    running,
    staged,
)


def test_jobs_are_listed_newest_first_without_chunks(service):
    ids = [accepted(service.catalog, a_draft(at=NOW + timedelta(seconds=n))) for n in range(3)]

    listed = service.get("/jobs").json()

    assert [job["job_id"] for job in listed["jobs"]] == ids[::-1]
    assert listed["next_page_token"] is None
    whole = service.get(f"/jobs/{ids[0]}").json()
    assert listed["jobs"][2] == {
        name: value for name, value in whole.items() if name not in {"chunks", "next_page_token"}
    }


def test_the_nodes_that_have_read_partitions_are_told_with_their_numbers(service):
    job_id = running(service.catalog, partitions=3)
    for attempt, node_id in zip(begin(service.catalog, job_id), ("b", "a", "b"), strict=True):
        service.catalog.publish_partition(a_receipt(attempt, 5, node_id=node_id), now=NOW)

    assert service.get(f"/jobs/{job_id}/nodes").json() == {
        "nodes": [{"node_id": "a", "partitions": 1}, {"node_id": "b", "partitions": 2}]
    }


def test_pages_of_jobs_join_without_gap_or_double(service):
    ids = [accepted(service.catalog, a_draft(at=NOW + timedelta(seconds=n))) for n in range(7)]

    seen, query = [], {"page_size": 3}
    while True:
        page = service.get("/jobs", params=query).json()
        seen.append([job["job_id"] for job in page["jobs"]])
        if page["next_page_token"] is None:
            break
        query["page_token"] = page["next_page_token"]

    assert seen == [ids[:3:-1], ids[3:0:-1], ids[:1]]


def test_jobs_are_found_by_state_and_label(service):
    plain = a_draft()
    labelled = JobDraft(plain.job_id, 1, None, None, {"run": "a:b"}, plain.source, plain.options)
    accepted(service.catalog, labelled)
    other = accepted(service.catalog)
    is_running = running(service.catalog)

    def found(**query):
        return {job["job_id"] for job in service.get("/jobs", params=query).json()["jobs"]}

    assert found(label="run:a:b") == {plain.job_id}
    assert found(label="run:12") == {other, is_running}
    assert found(label="run:12", state="running") == {is_running}
    assert found(state="completed") == set()


@pytest.mark.parametrize(
    "token", ["x", "", "AAAA", "AAAAAAAAAAAAAAAAAAAAAAAA", "ü", "a b", "=", "\0"]
)
def test_garbage_is_no_page_token(service, token):
    path = f"/jobs/{running(service.catalog)}"

    for listing in ("/jobs", path, f"{path}/chunks"):
        answer = service.get(listing, params={"page_token": token})
        assert problem_of(answer) == (400, "bad_page_token")


def test_a_token_is_good_for_its_own_listing_alone(service):
    jobs = [staged(service.catalog), staged(service.catalog)]
    accepted(service.catalog, a_draft(org_id=2))
    accepted(service.catalog, a_draft(org_id=2))
    of_jobs = service.get("/jobs", params={"page_size": 1}).json()["next_page_token"]
    of_chunks = service.get(f"/jobs/{jobs[0]}", params={"page_size": 1}).json()["next_page_token"]

    foreign = [
        service.get("/jobs", params={"page_token": of_chunks}),
        service.get("/jobs", params={"page_token": of_jobs, "state": "staged"}),
        service.get("/jobs", params={"page_token": of_jobs}, headers={"X-Org-ID": "2"}),
        service.get("/jobs", params={"page_token": of_jobs + "A"}),
        service.get(f"/jobs/{jobs[0]}", params={"page_token": of_jobs}),
        service.get(f"/jobs/{jobs[1]}/chunks", params={"page_token": of_chunks}),
    ]
    own = service.get(f"/jobs/{jobs[0]}/chunks", params={"page_token": of_chunks, "page_size": 1})

    assert [problem_of(answer) for answer in foreign] == [(400, "bad_page_token")] * 6
    assert [chunk["chunk_index"] for chunk in own.json()["chunks"]] == [1]


def test_a_staged_job_shows_its_manifest_and_progress(service):
    job = service.get(f"/jobs/{staged(service.catalog)}").json()

    assert job["state"] == "staged"
    assert job["manifest"] == {
        "sealed": True,
        "chunk_count": 3,
        "row_count": 15,
        "byte_count": 150,
        "schema": [
            {"name": column.name, "type": column.type, "nullable": column.nullable}
            for column in COLUMNS
        ],
        "schema_fingerprint": FINGERPRINT,
        "snapshot": {"class": "exported", "value": "00000003-0000001B-1"},
    }
    assert job["progress"] == {
        "partitions_total": 3,
        "partitions_done": 3,
        "chunks_published": 3,
        "chunks_acked": 0,
        "rows": 15,
        "bytes": 150,
        "fraction": 1.0,
    }
    assert [chunk["chunk_index"] for chunk in job["chunks"]] == [0, 1, 2]


def test_a_failed_job_is_read_with_its_error(service):
    job_id = running(service.catalog)
    service.catalog.fail_job(
        FailureReport(job_id, "source_changed", "the table is gone", 2), now=NOW
    )

    answer = service.get(f"/jobs/{job_id}")

    assert (answer.status_code, answer.json()["state"]) == (200, "failed")
    assert answer.json()["error"] == {
        "code": "source_changed",
        "detail": "the table is gone",
        "partition_id": 2,
    }


def test_chunks_go_on_from_an_index(service):
    path = f"/jobs/{staged(service.catalog, partitions=5)}"

    def page(**query):
        body = service.get(path, params=query).json()
        alone = service.get(f"{path}/chunks", params=query).json()
        assert without_links(body)["chunks"] == without_links(alone)["chunks"]
        return [chunk["chunk_index"] for chunk in body["chunks"]], body["next_page_token"]

    assert page() == ([0, 1, 2, 3, 4], None)
    assert page(since_index=3) == ([3, 4], None)
    assert page(since_index=5) == page(since_index=2**31 - 1) == ([], None)
    first, token = page(page_size=2)
    assert first == [0, 1]
    assert page(page_token=token, page_size=3) == ([2, 3, 4], None)


def test_an_index_and_a_token_do_not_go_together(service):
    path = f"/jobs/{staged(service.catalog)}"
    token = service.get(path, params={"page_size": 1}).json()["next_page_token"]

    for listing in (path, f"{path}/chunks"):
        answer = service.get(listing, params={"page_token": token, "since_index": 0})
        assert problem_of(answer) == (400, "bad_request")


def test_each_change_raises_the_tag(service):
    job_id = running(service.catalog, partitions=1)
    tags = []

    def look():
        tags.append(service.get(f"/jobs/{job_id}").headers["etag"])

    look()
    publish(service.catalog, job_id, 5)
    look()
    service.catalog.seal_job(job_id, now=NOW)
    look()
    service.post(f"/jobs/{job_id}/chunks/0/ack")
    look()
    revisions = [int(tag.removeprefix('W/"').removesuffix('"')) for tag in tags]
    assert revisions == sorted(set(revisions))


@pytest.mark.parametrize("form", ['W/"{}"', '"{}"', 'W/"999", W/"{}"', "*"])
def test_a_known_revision_is_not_sent_again(service, form):
    job = job_in(service.catalog, JobState.RUNNING)
    known = {"If-None-Match": form.format(job.revision)}

    same = service.get(f"/jobs/{job.job_id}", headers=known)
    other = service.get(f"/jobs/{job.job_id}", headers={"If-None-Match": 'W/"999"'})

    assert (same.status_code, same.content) == (304, b"")
    assert same.headers["etag"] == f'W/"{job.revision}"'
    assert other.status_code == 200


@pytest.mark.parametrize("form", ['W/"{}"', "*"])
@pytest.mark.parametrize("wait_seconds", [0, 50])
def test_a_page_that_cannot_be_given_is_refused_though_the_revision_is_known(
    service, form, wait_seconds
):
    job = job_in(service.catalog, JobState.STAGED)
    path, known = f"/jobs/{job.job_id}", {"If-None-Match": form.format(job.revision)}
    token = service.get(path, params={"page_size": 1}).json()["next_page_token"]
    wrong = {"page_token": "AAAA"}, {"page_token": token, "since_index": 0}

    answers = [
        service.get(path, params=each | {"wait_seconds": wait_seconds}, headers=known)
        for each in wrong
    ]

    assert [problem_of(answer) for answer in answers] == [
        (400, "bad_page_token"),
        (400, "bad_request"),
    ]
    assert service.get(path, params={"page_token": token}, headers=known).status_code == 304


def test_news_are_sent_as_soon_as_there_are_any(service):
    job = job_in(service.catalog, JobState.RUNNING)
    change = threading.Timer(0.5, service.catalog.request_pause, (1, job.job_id), {"now": NOW})
    change.start()
    started = time.monotonic()

    answer = service.get(
        f"/jobs/{job.job_id}",
        params={"wait_seconds": 20},
        headers={"If-None-Match": f'W/"{job.revision}"'},
    )

    assert (answer.status_code, answer.json()["state"]) == (200, "pausing")
    assert 0.4 < time.monotonic() - started < 15
    change.join()


def test_without_news_the_wait_ends_with_304(service):
    job = job_in(service.catalog, JobState.RUNNING)
    started = time.monotonic()

    answer = service.get(
        f"/jobs/{job.job_id}",
        params={"wait_seconds": 1},
        headers={"If-None-Match": f'W/"{job.revision}"'},
    )

    assert answer.status_code == 304
    assert 1 <= time.monotonic() - started < 20


def test_nobody_waits_for_what_he_does_not_know(service):
    job = job_in(service.catalog, JobState.RUNNING)
    started = time.monotonic()

    answers = [
        service.get(f"/jobs/{job.job_id}", params={"wait_seconds": 50}),
        service.get(
            f"/jobs/{job.job_id}",
            params={"wait_seconds": 50},
            headers={"If-None-Match": 'W/"0"'},
        ),
    ]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert time.monotonic() - started < 40
