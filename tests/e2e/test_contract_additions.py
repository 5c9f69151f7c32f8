"""What the contract adds to the eight operations, on the whole running stack."""

import hashlib
import io
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.e2e.contract import CHUNK, MIB, ORDERS, instant, problem

ARROW = "application/vnd.apache.arrow.stream"


@pytest.fixture(scope="module")
def staged(service):
    """A staged job of several chunks that the tests only read."""
    job_id = service.create(ORDERS, chunk_target_bytes=MIB)["job_id"]
    return service.until_state(job_id, "staged")


def data(job, chunk) -> str:
    return f"/jobs/{job['job_id']}/chunks/{chunk['chunk_id']}/data"


def test_chunks_come_through_the_service_as_they_come_by_link(service, staged):
    for chunk in staged["chunks"]:
        through = service.http.get(data(staged, chunk))

        assert through.content == httpx2.get(chunk["url"]).content
        assert hashlib.sha256(through.content).hexdigest() == chunk["sha256"]
        assert through.headers["etag"] == f'"{chunk["sha256"]}"'
        assert through.headers["content-length"] == str(chunk["byte_count"])


def test_a_broken_download_goes_on_by_range(service, staged):
    chunk = staged["chunks"][0]
    half = chunk["byte_count"] // 2
    tag = f'"{chunk["sha256"]}"'

    first = service.http.get(data(staged, chunk), headers={"Range": f"bytes=0-{half - 1}"})
    rest = service.http.get(
        data(staged, chunk), headers={"Range": f"bytes={half}-", "If-Range": tag}
    )

    assert (first.status_code, rest.status_code) == (206, 206)
    assert hashlib.sha256(first.content + rest.content).hexdigest() == chunk["sha256"]
    beyond = service.http.get(
        data(staged, chunk), headers={"Range": f"bytes={chunk['byte_count']}-"}
    )
    problem(beyond, 416, "range_not_satisfiable")


def test_arrow_streams_hold_the_rows_of_the_parquet_files(service, staged):
    rows = 0
    for chunk in staged["chunks"]:
        answer = service.http.get(data(staged, chunk), headers={"Accept": ARROW})
        with pa.ipc.open_stream(answer.content) as stream:
            table = stream.read_all()
        assert table.equals(pq.read_table(io.BytesIO(httpx2.get(chunk["url"]).content)))
        rows += table.num_rows

    assert rows == staged["manifest"]["row_count"]


def test_the_bytes_of_a_cancelled_job_are_gone(service):
    job_id = service.create(ORDERS)["job_id"]
    job = service.until_state(job_id, "staged")
    service.http.delete(f"/jobs/{job_id}")

    gone = problem(service.http.get(data(job, job["chunks"][0])), 410, "gone")

    assert gone["reason"] == "cancelled"


def patch(service, job_id, **changes):
    return service.http.patch(f"/jobs/{job_id}", json=changes)


def test_a_job_that_is_shortened_ends_at_once_and_its_bytes_go(service):
    job_id = service.create(ORDERS)["job_id"]
    job = service.until_state(job_id, "staged")

    answer = patch(service, job_id, ttl_seconds=1)

    assert (answer.status_code, answer.json()["options"]["ttl_seconds"]) == (200, 1)
    assert service.until_state(job_id, "expired")["expires_at"] < job["expires_at"]
    problem(service.http.get(data(job, job["chunks"][0])), 410, "gone")
    until_missing(job["chunks"][0]["url"])
    refused = problem(patch(service, job_id, ttl_seconds=3600), 409, "state_conflict")
    assert refused["current_state"] == "expired"


def until_missing(url: str) -> None:
    deadline = time.monotonic() + 60
    while httpx2.get(url).status_code == 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_job_that_is_extended_outlives_its_first_end(service):
    created = service.create(ORDERS, ttl_seconds=6)

    extended = patch(service, created["job_id"], ttl_seconds=3600).json()

    first, then = (instant(each["expires_at"]) for each in (created, extended))
    assert (then - first).total_seconds() == 3594
    time.sleep(max(0.0, (first - datetime.now(UTC)).total_seconds()) + 3)
    service.until_state(created["job_id"], "staged")


def test_labels_and_name_are_changed_and_wake_those_who_wait(service):
    job_id = service.create(ORDERS)["job_id"]
    service.until_state(job_id, "staged")
    tag = service.http.get(f"/jobs/{job_id}").headers["etag"]

    answer = patch(service, job_id, labels={"run": job_id}, name="run 13")

    assert (answer.json()["labels"], answer.json()["name"]) == ({"run": job_id}, "run 13")
    assert answer.headers["etag"] != tag
    found = service.http.get("/jobs", params={"label": f"run:{job_id}"}).json()["jobs"]
    assert [each["job_id"] for each in found] == [job_id]
    refused = problem(patch(service, job_id, ttl_seconds=0, colour="red"), 422, "invalid_value")
    assert {each["pointer"] for each in refused["errors"]} == {"#/ttl_seconds", "#/colour"}


def follow(service, job_id, last=None) -> Iterator[tuple[str, dict, str]]:
    """Give event, data and id of each event."""
    headers = {"Last-Event-ID": last} if last else {}
    with service.http.stream("GET", f"/jobs/{job_id}/events", headers=headers) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        fields: dict[str, str] = {}
        for line in answer.iter_lines():
            name, _, text = line.partition(": ")
            if line:
                fields[name] = text
            elif "event" in fields:
                yield fields["event"], json.loads(fields["data"]), fields["id"]
                fields = {}


def test_events_tell_a_job_from_its_beginning_to_its_end(service):
    job_id = service.create(ORDERS, chunk_target_bytes=MIB)["job_id"]
    states, chunks, progress = [], [], {}

    for event, data, _ in follow(service, job_id):
        if event == "state":
            states.append(data["state"])
        if event == "progress":
            progress = data
        if event == "chunk":
            chunks.append(data["chunk_index"])
            assert set(data) == CHUNK
            assert len(httpx2.get(data["url"]).content) == data["byte_count"]
            service.ack(job_id, data)
        if event == "end":
            assert data == {"state": "completed", "error": None}

    assert states == ["pending", "running", "staged", "completed"]
    assert chunks == list(range(progress["chunks_published"]))
    assert progress == service.job(job_id)["progress"]


def test_a_reader_that_was_cut_off_goes_on_where_it_was(service):
    job_id = service.create(ORDERS, chunk_target_bytes=MIB)["job_id"]
    listening = follow(service, job_id)
    last = next(each for event, _, each in listening if event == "chunk")
    listening.close()
    service.http.delete(f"/jobs/{job_id}")

    rest = [(event, data, each) for event, data, each in follow(service, job_id, last)]

    assert {data["chunk_index"] for event, data, _ in rest if event == "chunk"}.isdisjoint({0})
    assert [data["state"] for event, data, _ in rest if event == "state"][-2:] == [
        "cancelling",
        "cancelled",
    ]
    assert rest[-1][:2] == ("end", {"state": "cancelled", "error": None})
    over = service.http.get(f"/jobs/{job_id}/events", headers={"Last-Event-ID": rest[-1][2]})
    assert over.status_code == 204
    foreign = service.http.get(f"/jobs/{job_id}/events", headers={"X-Org-ID": "99"})
    problem(foreign, 404, "not_found")
