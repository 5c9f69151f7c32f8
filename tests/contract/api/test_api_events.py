"""Server-sent events of a job: in order, without a gap, resumed, beating, ended."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx2
import pytest
import uvicorn

from api import following
from api.app import create_app
from api.wiring import Wiring
from staging.catalog import Catalog
from staging.core.jobs import FINAL, JobState
from staging.local.ports import free_port
from tests.contract.api.service import (
    PREFIX,
    Recorder,
    make_wiring,
    pointers,
    problem_of,
    without_links,
)
from tests.contract.catalog_steps import (
    NOW,
    a_draft,
    ack_all,
    job_in,
    publish,
    running,
    staged,
)
from tests.contract.reading.servers import answers

S = JobState


@dataclass(frozen=True)
class Event:
    event: str
    data: dict
    id: str


def read_events(text: str) -> list[Event]:
    """Read whole events, as the standard says; comments are left out."""
    found = []
    for block in text.split("\n\n"):
        lines = [line.split(": ", 1) for line in block.splitlines() if not line.startswith(":")]
        if lines:
            fields = dict(lines)
            found.append(Event(fields["event"], json.loads(fields["data"]), fields["id"]))
    return found


def events_of(service, job_id: str, last: str | None = None) -> list[Event]:
    """The events of a job that has ended."""
    headers = {"Last-Event-ID": last} if last else {}
    answer = service.get(f"/jobs/{job_id}/events", headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.headers["cache-control"] == "no-store"
    return read_events(answer.text)


def names(events: list[Event]) -> list[str]:
    """Name each event, a state by what it is."""
    return [each.data["state"] if each.event == "state" else each.event for each in events]


def completed(catalog: Catalog) -> str:
    job_id = staged(catalog, partitions=2)
    ack_all(catalog, job_id)
    return job_id


def test_the_events_of_a_job_that_has_ended_are_all_given_and_end(service):
    job_id = completed(service.catalog)
    job = service.get(f"/jobs/{job_id}").json()

    events = events_of(service, job_id)

    assert names(events) == [
        *("pending", "running", "chunk", "chunk", "staged", "completed", "progress", "end")
    ]
    told = [each.data for each in events if each.event == "chunk"]
    assert without_links({"chunks": told}) == without_links({"chunks": job["chunks"]})
    assert events[-2].data == job["progress"]
    assert events[-1].data == {"state": "completed", "error": None}
    assert events[0].data == {"state": "pending", "at": "2026-01-02T03:04:05.678Z"}


def test_a_failed_job_ends_with_its_error(service):
    job = job_in(service.catalog, S.FAILED)

    assert events_of(service, job.job_id)[-1].data == {
        "state": "failed",
        "error": {"code": "source_changed", "detail": "the table is gone", "partition_id": 2},
    }


def steps(events: list[Event]) -> list[tuple[str, str]]:
    """The events but for progress, by their ids: each second signs other links."""
    return [(each.event, each.id) for each in events if each.event != "progress"]


@pytest.mark.parametrize("state", sorted(FINAL))
def test_a_reader_that_goes_on_after_any_event_misses_none_and_hears_none_twice(service, state):
    job_id = job_in(service.catalog, state).job_id
    events = events_of(service, job_id)

    for number, each in enumerate(events[:-1]):
        rest = events_of(service, job_id, each.id)
        assert steps(rest) == steps(events[number + 1 :])
        assert [event.event for event in rest].count("progress") == 1
    path = f"/jobs/{job_id}/events"
    over = service.get(path, headers={"Last-Event-ID": events[-1].id})
    assert (over.status_code, over.content) == (204, b"")


def test_more_chunks_than_a_page_come_before_the_state_that_ends_them(service):
    job_id = running(service.catalog, partitions=2)
    publish(service.catalog, job_id, *[5] * 125)
    service.catalog.seal_job(job_id, now=NOW)
    service.catalog.request_cancel(1, job_id, now=NOW)
    service.catalog.finish_cancel(job_id, now=NOW)

    events = events_of(service, job_id)

    chunks = [each.data["chunk_index"] for each in events if each.event == "chunk"]
    assert chunks == list(range(250))
    assert names(events)[:2] == ["pending", "running"]
    assert names(events)[252:] == ["staged", "cancelling", "cancelled", "progress", "end"]


@pytest.mark.parametrize("last", ["", "x", "1", "1.2.3", "-1.0", "1.0.END", "9" * 19 + ".0"])
def test_an_id_that_no_event_has_is_refused(service, last):
    job_id = completed(service.catalog)

    answer = service.get(f"/jobs/{job_id}/events", headers={"Last-Event-ID": last})

    assert pointers(answer) == ["#/header/Last-Event-ID"]


def test_the_events_of_an_unknown_job_are_not_found_also_after_its_end(service):
    foreign = {"X-Org-ID": "2", "Last-Event-ID": "9.9.end"}
    job_id = completed(service.catalog)

    assert problem_of(service.get(f"/jobs/{job_id}/events", headers=foreign)) == (404, "not_found")


@dataclass
class Live:
    """The application on a port, where answers are streamed as they are made."""

    wiring: Wiring
    url: str
    server: uvicorn.Server

    def lines(self, job_id: str) -> Iterator[str]:
        with httpx2.stream("GET", f"{self.url}/jobs/{job_id}/events", timeout=60) as answer:
            yield from answer.iter_lines()


@pytest.fixture
def live(catalog, folder) -> Iterator[Live]:
    port = free_port()
    wiring = make_wiring(catalog, folder, Recorder(), lambda: NOW)
    server = uvicorn.Server(
        uvicorn.Config(create_app(wiring), port=port, log_level="error", access_log=False)
    )
    serving = threading.Thread(target=server.run)
    serving.start()
    while not answers(port):
        assert serving.is_alive()
    yield Live(wiring, f"http://127.0.0.1:{port}{PREFIX}", server)
    wiring.watch.end()
    server.should_exit = True
    serving.join()


def next_data(lines: Iterator[str], event: str) -> dict:
    """Read up to an event and give its data."""
    for line in lines:
        if line == f"event: {event}":
            return json.loads(next(lines).removeprefix("data: "))
    raise AssertionError(f"the stream ended before {event}")


def test_a_reader_hears_what_happens_while_it_listens(live, catalog):
    job_id = running(catalog, partitions=2)
    lines = live.lines(job_id)

    assert next_data(lines, "progress")["chunks_published"] == 0
    publish(catalog, job_id, 5, partitions=1)
    assert next_data(lines, "chunk")["chunk_index"] == 0
    assert next_data(lines, "progress")["fraction"] == 0.5
    catalog.request_pause(1, job_id, now=NOW)
    assert next_data(lines, "state")["state"] == "pausing"
    catalog.request_cancel(1, job_id, now=NOW)
    catalog.finish_cancel(job_id, now=NOW)
    assert next_data(lines, "state")["state"] == "cancelling"
    assert next_data(lines, "end") == {"state": "cancelled", "error": None}
    assert [line for line in lines if line and not line.startswith("id: ")] == []


def test_a_quiet_stream_beats_and_ends_when_the_service_stops(live, catalog, monkeypatch):
    monkeypatch.setattr(following, "HEARTBEAT_SECONDS", 0.2)
    lines = live.lines(running(catalog))
    next_data(lines, "progress")

    beats = [line for line in (next(lines) for _ in range(9)) if line.startswith(":")]
    live.wiring.watch.end()

    assert len(beats) >= 2
    assert all(not line or line.startswith(":") for line in lines)


def test_readers_that_leave_are_waited_for_no_more(live, catalog, monkeypatch):
    looks, look = [], type(catalog).revisions
    monkeypatch.setattr(
        type(catalog), "revisions", lambda *a, **k: (looks.append(1), look(*a, **k))[1]
    )
    job_id = running(catalog)
    listening = [live.lines(job_id) for _ in range(5)]
    for each in listening:
        next_data(each, "progress")
    time.sleep(1)
    heard = len(looks)
    for each in listening:
        each.close()
    time.sleep(1)
    left = len(looks)
    time.sleep(1)

    assert heard >= 3
    assert len(looks) == left


def test_head_tells_of_a_live_stream_and_ends(live, catalog):
    told = httpx2.head(f"{live.url}/jobs/{running(catalog)}/events", timeout=60)

    assert (told.status_code, told.headers["content-type"]) == (200, "text/event-stream")


def counted(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Count how often news are read."""
    reads, read = [], type(catalog).job_news
    monkeypatch.setattr(
        type(catalog), "job_news", lambda *a, **k: (reads.append(1), read(*a, **k))[1]
    )
    return lambda: len(reads)


async def test_many_readers_of_one_job_share_its_reads(live, catalog, monkeypatch):
    reads = counted(catalog, monkeypatch)
    job_id = running(catalog, partitions=3)
    limits = httpx2.Limits(max_connections=200)

    async with httpx2.AsyncClient(timeout=60, limits=limits) as client:

        async def listen() -> str:
            async with client.stream("GET", f"{live.url}/jobs/{job_id}/events") as answer:
                return (await answer.aread()).decode()

        listening = [asyncio.create_task(listen()) for _ in range(100)]
        await asyncio.sleep(2)
        before = reads()
        publish(catalog, job_id, 5)
        assert catalog.seal_job(job_id, now=NOW)
        ack_all(catalog, job_id)
        heard = await asyncio.gather(*listening)

    assert {tuple(names(read_events(text)))[-2:] for text in heard} == {("progress", "end")}
    assert reads() - before < 50


def test_a_fast_job_tells_each_reader_a_few_times_a_second(live, catalog, monkeypatch):
    reads = counted(catalog, monkeypatch)
    job_id = running(catalog, partitions=40, draft=a_draft())
    lines = live.lines(job_id)
    next_data(lines, "progress")
    before, started = reads(), time.monotonic()
    for _ in range(40):
        publish(catalog, job_id, 5, partitions=1)
        time.sleep(0.05)
    took = time.monotonic() - started
    while next_data(lines, "progress")["chunks_published"] < 40:
        pass

    assert reads() - before <= 2 * (took + 1) + 2
