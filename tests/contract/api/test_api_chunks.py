"""Chunks: how they are shown, refreshed and acknowledged."""

import base64
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from api.streamed import Streams
from staging.core.jobs import JobState
from staging.core.tickets import open_ticket
from staging.storage.slots import Slots
from tests.contract.api.service import KEY, LOCATION, problem_of
from tests.contract.catalog_steps import DAY, GRACE, NOW, SECOND, a_draft, job_in, running, staged

S = JobState
UNKNOWN = "6f1c2a64-0f0e-5b7e-8d3c-2b1a09f8e7d6"
FLIGHT_OF_THE_GONE = {"ticket": None, "locations": [LOCATION]}


def read(moment: str) -> datetime:
    assert moment.endswith("Z")
    return datetime.fromisoformat(moment)


def test_a_chunk_is_shown_with_a_link_and_a_ticket(service):
    job_id = staged(service.catalog)
    stored = service.catalog.chunk(1, job_id, "1")

    chunk = service.get(f"/jobs/{job_id}").json()["chunks"][1]

    url, flight = chunk.pop("url"), chunk.pop("flight")
    assert chunk == {
        "chunk_id": stored.chunk_id,
        "chunk_index": 1,
        "partition_id": 1,
        "row_offset": 5,
        "row_count": 5,
        "byte_count": 50,
        "sha256": stored.sha256,
        "state": "available",
        "url_expires_at": "2026-01-02T04:04:05.678Z",
        "http_headers": {},
        "acked_at": None,
    }
    assert urlsplit(url)[:3] == ("http", "objects.example:9000", f"/staging/{stored.key}")
    signed = parse_qs(urlsplit(url).query)
    assert signed["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert signed["X-Amz-Expires"] == ["3600"]
    assert flight["locations"] == [LOCATION]
    ticket = open_ticket(base64.b64decode(flight["ticket"]), [KEY], NOW)
    assert (ticket.org_id, ticket.job_id, ticket.chunk_id) == (1, job_id, stored.chunk_id)
    assert ticket.expires_at <= read("2026-01-02T04:04:05.678Z")


@pytest.mark.parametrize("state", [S.RUNNING, S.PAUSING, S.PAUSED, S.STAGED])
def test_chunks_are_readable_while_their_data_is_there(service, state):
    job_id = job_in(service.catalog, state).job_id

    chunk = service.get(f"/jobs/{job_id}/chunks").json()["chunks"][0]
    fresh = service.get(f"/jobs/{job_id}/chunks/{chunk['chunk_id']}/refresh")

    assert chunk["url"].startswith("http://objects.example:9000/")
    assert fresh.status_code == 200


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (S.CANCELLING, "cancelled"),
        (S.CANCELLED, "cancelled"),
        (S.FAILED, "failed"),
        (S.EXPIRED, "expired"),
    ],
)
def test_chunks_of_an_ended_job_are_gone(service, state, reason):
    job_id = job_in(service.catalog, state).job_id

    chunk = service.get(f"/jobs/{job_id}").json()["chunks"][0]
    refreshed = service.get(f"/jobs/{job_id}/chunks/0/refresh")
    acked = service.post(f"/jobs/{job_id}/chunks/0/ack")
    read_through = service.get(f"/jobs/{job_id}/chunks/0/data")

    assert (chunk["url"], chunk["url_expires_at"], chunk["flight"]) == (
        None,
        None,
        FLIGHT_OF_THE_GONE,
    )
    for answer in (refreshed, acked, read_through):
        assert problem_of(answer) == (410, "gone")
        assert answer.json()["reason"] == reason


def test_a_completed_job_is_readable_until_its_grace_is_over(service):
    job_id = job_in(service.catalog, S.COMPLETED).job_id
    service.clock.now = NOW + GRACE - 10 * SECOND
    in_grace = service.get(f"/jobs/{job_id}/chunks/0/refresh")
    service.clock.now = NOW + GRACE
    after = service.get(f"/jobs/{job_id}/chunks/0/refresh")

    assert (in_grace.status_code, in_grace.json()["state"]) == (200, "acked")
    assert read(in_grace.json()["url_expires_at"]) <= NOW + GRACE
    assert problem_of(after) == (410, "gone")
    assert after.json()["reason"] == "completed"


def test_a_deleted_chunk_stays_listed_without_its_link(service):
    job_id = job_in(service.catalog, S.COMPLETED).job_id
    chunks = service.catalog.undeleted_chunks(job_id, limit=10)
    service.catalog.mark_deleted(job_id, [chunk.chunk_id for chunk in chunks], now=NOW)

    shown = service.get(f"/jobs/{job_id}/chunks").json()["chunks"]
    refreshed = service.get(f"/jobs/{job_id}/chunks/{shown[0]['chunk_id']}/refresh")
    read_through = service.get(f"/jobs/{job_id}/chunks/{shown[0]['chunk_id']}/data")

    assert [(c["state"], c["url"], c["flight"]) for c in shown] == [
        ("deleted", None, FLIGHT_OF_THE_GONE)
    ] * 3
    assert refreshed.json()["reason"] == read_through.json()["reason"] == "completed"


def test_a_store_that_is_down_or_streams_that_are_all_taken_are_said(service):
    job_id = staged(service.catalog)
    down = service.get(f"/jobs/{job_id}/chunks/0/data")
    service.use(streams=Streams(slots=Slots(0)))
    busy = service.get(f"/jobs/{job_id}/chunks/0/data")

    assert problem_of(down) == (503, "storage_unavailable")
    assert problem_of(busy) == (503, "too_busy")
    assert busy.headers["retry-after"] == "5"


def test_no_link_outlives_the_data(service):
    job_id = staged(service.catalog, draft=a_draft(ttl_seconds=100))
    service.clock.now = NOW + 40 * SECOND
    listed = service.get(f"/jobs/{job_id}").json()["chunks"][0]
    asked = service.get(f"/jobs/{job_id}/chunks/0/refresh?url_ttl_seconds=604800").json()
    service.clock.now = NOW + 100 * SECOND
    over = service.get(f"/jobs/{job_id}/chunks/0/refresh")

    assert read(listed["url_expires_at"]) == read(asked["url_expires_at"])
    assert read(asked["url_expires_at"]) <= NOW + 100 * SECOND
    assert parse_qs(urlsplit(asked["url"]).query)["X-Amz-Expires"] == ["60"]
    assert over.json()["reason"] == "expired"


def test_a_refresh_gives_the_whole_chunk_with_the_life_asked_and_no_side_effect(service):
    job_id = staged(service.catalog)
    revision = service.catalog.job(1, job_id).revision
    listed = service.get(f"/jobs/{job_id}").json()["chunks"][0]

    answer = service.get(f"/jobs/{job_id}/chunks/0/refresh", params={"url_ttl_seconds": 60})

    fresh = answer.json()
    assert answer.headers["cache-control"] == "no-store"
    assert read(fresh["url_expires_at"]) - read("2026-01-02T03:04:05.678Z") == timedelta(seconds=60)
    changed = {"url", "url_expires_at", "flight"}
    assert {k: fresh[k] for k in fresh.keys() - changed} == {
        k: listed[k] for k in listed.keys() - changed
    }
    assert service.catalog.job(1, job_id).revision == revision


@pytest.mark.parametrize(
    "ref", [UNKNOWN, "3", "99999999999999999999", "-1", "x", "0x0", "%00", "a%2Fb"]
)
def test_a_chunk_that_is_not_there_is_not_found(service, ref):
    job_id = staged(service.catalog)

    answers = [
        service.get(f"/jobs/{job_id}/chunks/{ref}/refresh"),
        service.post(f"/jobs/{job_id}/chunks/{ref}/ack"),
        service.get(f"/jobs/{job_id}/chunks/{ref}/data"),
    ]

    assert [problem_of(answer) for answer in answers] == [(404, "not_found")] * 3


def test_an_ack_without_a_body_is_the_default_consumers(service):
    job_id = staged(service.catalog)
    chunk = service.catalog.chunk(1, job_id, "0")

    answer = service.post(f"/jobs/{job_id}/chunks/0/ack")

    assert (answer.status_code, answer.json()) == (
        200,
        {
            "chunk_id": chunk.chunk_id,
            "chunk_index": 0,
            "acked_at": "2026-01-02T03:04:05.678Z",
            "job": {"chunks_acked": 1, "state": "staged"},
        },
    )
    assert service.get(f"/jobs/{job_id}").json()["chunks"][0]["state"] == "acked"


def test_a_repeated_ack_gives_the_first_moment_also_after_deletion(service):
    job_id = job_in(service.catalog, S.COMPLETED).job_id
    chunks = service.catalog.undeleted_chunks(job_id, limit=10)
    service.catalog.mark_deleted(job_id, [chunk.chunk_id for chunk in chunks], now=NOW)
    service.clock.now = NOW + DAY

    again = service.post(f"/jobs/{job_id}/chunks/{chunks[0].chunk_id}/ack", json={})

    assert (again.status_code, again.json()["acked_at"]) == (200, "2026-01-02T03:04:05.678Z")
    assert service.temporal.told == []


def test_the_last_ack_completes_the_job_and_wakes_its_workflow(service):
    job_id = staged(service.catalog, partitions=2)

    answers = [service.post(f"/jobs/{job_id}/chunks/{n}/ack").json() for n in range(2)]

    assert [answer["job"] for answer in answers] == [
        {"chunks_acked": 1, "state": "staged"},
        {"chunks_acked": 2, "state": "completed"},
    ]
    assert service.temporal.told == [(job_id, "all-acked")]


def test_a_chunk_counts_as_acked_when_every_consumer_acked_it(service):
    job_id = staged(service.catalog, partitions=1, draft=a_draft(consumers=("a", "b")))
    path = f"/jobs/{job_id}/chunks/0/ack"

    undeclared = service.post(path)
    first = service.post(path, json={"consumer": "a"})
    second = service.post(path, json={"consumer": "b"})

    assert problem_of(undeclared) == (422, "undeclared_consumer")
    assert first.json()["job"] == {"chunks_acked": 0, "state": "staged"}
    assert second.json()["job"] == {"chunks_acked": 1, "state": "completed"}


def test_an_ack_with_another_hash_is_refused_and_does_not_count(service):
    job_id = staged(service.catalog)
    sha256 = service.catalog.chunk(1, job_id, "0").sha256
    path = f"/jobs/{job_id}/chunks/0/ack"

    wrong = service.post(path, json={"sha256": "0" * 63 + "1"})
    right = service.post(path, json={"sha256": sha256.upper()})

    assert problem_of(wrong) == (422, "checksum_mismatch")
    assert right.json()["job"]["chunks_acked"] == 1


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"consumer": ""}, "#/consumer"),
        ({"consumer": None}, "#/consumer"),
        ({"sha256": "abc"}, "#/sha256"),
        ({"sha256": "0" * 64 + "\n"}, "#/sha256"),
        ({"rows": 5}, "#/rows"),
    ],
)
def test_an_ack_of_another_form_is_pointed_at(service, body, pointer):
    job_id = staged(service.catalog)

    answer = service.post(f"/jobs/{job_id}/chunks/0/ack", json=body)

    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert service.catalog.job(1, job_id).progress.chunks_acked == 0


def test_a_job_without_chunks_has_no_page(service):
    path = f"/jobs/{running(service.catalog, partitions=0)}"

    assert service.get(f"{path}/chunks").json() == {"chunks": [], "next_page_token": None}
