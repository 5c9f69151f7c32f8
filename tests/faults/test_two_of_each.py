"""Two API processes and two workers on one catalog in Postgres: no work is done twice."""

import tempfile
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from pyarrow import flight

from staging.local.ports import free_port
from tests import postgres_catalog, warehouse
from tests.contract.reading.servers import Server, answers, start
from tests.e2e import connections
from tests.e2e.service import Service
from tests.prometheus import Samples, labels, scrape
from tests.rows import assert_same_rows
from tests.stack import RunningStack
from tests.traces import Span, TraceReceiver

CHUNK = 1 << 20
ORDERS = {"connection": "warehouse", "table": "public.orders"}
_ATTEMPTS = """
SELECT count(*), count(*) FILTER (WHERE state = 'published'), count(DISTINCT partition_id)
FROM attempts WHERE job_id = %s
"""
_AT_ONCE = """
SELECT count(*) FROM attempts AS one JOIN attempts AS other USING (job_id, partition_id)
WHERE job_id = %s AND one.fence < other.fence
AND (one.ended_at IS NULL OR one.ended_at > other.started_at)
"""


@dataclass
class Pair:
    """A stack with a second API and a second worker beside its own."""

    stack: RunningStack
    worker: Server
    services: tuple[Service, Service]
    catalog_url: str
    metrics: tuple[str, str]

    def counted(self) -> tuple[Samples, Samples]:
        first, second = self.metrics
        return scrape(first), scrape(second)

    def attempts(self, job_id: str) -> tuple[int, int, int]:
        """How many attempts a job had, how many of them were published, of how many partitions."""
        with psycopg.connect(self.catalog_url) as connection:
            found = connection.execute(_ATTEMPTS, (job_id,)).fetchone()
            at_once = connection.execute(_AT_ONCE, (job_id,)).fetchone()
        assert found is not None
        assert at_once == (0,), "two attempts at one partition ran at once"
        return found


@pytest.fixture(scope="module")
def receiver() -> Iterator[TraceReceiver]:
    receiver = TraceReceiver()
    yield receiver
    receiver.stop()


@pytest.fixture(scope="module")
def pair(dsn, postgres, s3, receiver) -> Iterator[Pair]:
    with tempfile.TemporaryDirectory(prefix="staging-two-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        registry = folder / "connections.toml"
        registry.write_text(connections.registry("warehouse", postgres.port, 1, s3.endpoint))
        url = postgres_catalog.new_database(postgres)
        settings = connections.SECRETS | {
            "STAGING_CONNECTIONS": str(registry),
            "STAGING_CATALOG_URL": url,
            "STAGING_PURGE_GRACE_SECONDS": "2",
            "STAGING_GARBAGE_GRACE_SECONDS": "5",
            "STAGING_TRACE_ENDPOINT": receiver.endpoint,
        }
        stack = RunningStack(folder / "state", settings)
        port, metrics = free_port(), free_port()
        ready = folder / "second-worker.ready"
        own = {
            "STAGING_PORT": str(port),
            "STAGING_WORKER_METRICS_PORT": str(metrics),
            "STAGING_TEMPORAL_METRICS_PORT": "",
            "STAGING_READY_FILE": str(ready),
        }
        environment = stack.layout.environment() | settings | own
        api = start("api", environment, folder / "api.log")
        worker = start("workflows", environment, folder / "worker.log")
        api.until(lambda: answers(port), 180)
        worker.until(ready.exists, 180)
        services = Service(stack.api_url), Service(f"http://127.0.0.1:{port}")
        shown = stack.layout.metrics_urls()["worker"][0], f"http://127.0.0.1:{metrics}/metrics"
        yield Pair(stack, worker, services, url, shown)
        api.stop(60)
        if worker.process.poll() is None:
            worker.stop(60)
        stack.stop()


def test_one_key_posted_to_both_at_once_makes_one_job(pair):
    body = {"source": ORDERS, "options": {"chunk_target_bytes": CHUNK}}
    headers = {"Idempotency-Key": str(uuid.uuid4())}

    def post(number: int) -> str:
        answer = pair.services[number % 2].http.post("/jobs", json=body, headers=headers)
        assert answer.status_code == 202, answer.text
        return answer.json()["job_id"]

    with ThreadPoolExecutor(8) as clients:
        job_ids = set(clients.map(post, range(16)))

    assert len(job_ids) == 1
    for service in pair.services:
        assert [job["job_id"] for job in service.http.get("/jobs").json()["jobs"]] == list(job_ids)
    job_id = job_ids.pop()
    assert_staged_once(pair, job_id)


def test_jobs_of_both_are_read_once_whichever_worker_has_them(pair, dsn):
    before = pair.counted()
    job_ids = [
        service.create(ORDERS, chunk_target_bytes=CHUNK)["job_id"]
        for _ in range(2)
        for service in pair.services
    ]

    for job_id in job_ids:
        assert_staged_once(pair, job_id)

    after = pair.counted()
    rows = "staging_published_rows_total"
    counted = sum(
        now[rows][labels()] - then[rows][labels()] for then, now in zip(before, after, strict=False)
    )
    assert counted == len(job_ids) * warehouse.ORDER_ROWS
    for worker in after:
        rounds = worker["staging_loop_rounds_total"]
        for loop in ("reconcile", "janitor"):
            assert rounds[labels(loop=loop, outcome="done")] > 0
            assert labels(loop=loop, outcome="failed") not in rounds


def published_rows(workers: tuple[Samples, Samples]) -> float:
    return sum(each["staging_published_rows_total"][labels()] for each in workers)


def assert_staged_once(pair, job_id):
    """Every row is there once, and every partition was published once."""
    job = pair.services[0].until_state(job_id, "staged")
    partitions = job["progress"]["partitions_total"]
    assert job["manifest"]["row_count"] == warehouse.ORDER_ROWS
    assert pair.attempts(job_id)[1:] == (partitions, partitions)
    assert len(pair.stack.object_keys(f"1/{job_id}/")) == job["manifest"]["chunk_count"]


def test_one_trace_leads_from_the_post_to_the_ray_tasks_and_to_flight(pair, receiver):
    trace_id = uuid.uuid4().hex
    parent = {"traceparent": f"00-{trace_id}-{'1' * 16}-01"}
    service = pair.services[0]
    answer = service.http.post("/jobs", json={"source": ORDERS}, headers=parent)
    job_id = answer.json()["job_id"]
    partitions = service.until_state(job_id, "staged")["progress"]["partitions_total"]
    options = flight.FlightCallOptions(headers=[(b"traceparent", parent["traceparent"].encode())])
    with flight.connect(pair.stack.flight_location) as client:
        info = client.get_flight_info(flight.FlightDescriptor.for_path(job_id), options)
        client.do_get(info.endpoints[0].ticket, options).read_all()

    def is_whole(spans: list[Span]) -> bool:
        extracts = [each for each in spans if each.name == "extract"]
        is_read = any(each.name == "Flight DoGet" for each in spans)
        roots = [way_up(each, spans)[-1].name for each in extracts]
        return is_read and roots == ["POST /api/v1/staging/jobs"] * partitions

    found = receiver.until(trace_id, is_whole)

    for extract in (each for each in found if each.name == "extract"):
        assert (extract.service, extract.attributes["staging.job_id"]) == ("staging-ray", job_id)
        assert "RunActivity:stage-batch" in [each.name for each in way_up(extract, found)]
    [read] = [each for each in found if each.name == "Flight DoGet"]
    assert read.attributes["staging.job_id"] == job_id
    assert warehouse.READER_PASSWORD not in str(found)


def way_up(span: Span, spans: list[Span]) -> list[Span]:
    """The span, its parent, and so on to the root, as far as they have come."""
    by_id = {each.span_id: each for each in spans}
    way = [span]
    while way[-1].parent_id in by_id:
        way.append(by_id[way[-1].parent_id])
    return way


@pytest.mark.timeout(480)
def test_what_a_killed_worker_had_is_finished_by_the_other(pair, slow_table):
    first, second = pair.services
    started = "staging_attempts_started_total"
    while not (there := pair.counted())[1][started][labels()]:
        assert_staged_once(pair, second.create(ORDERS, chunk_target_bytes=CHUNK)["job_id"])
    had = [each[started][labels()] for each in there]

    source = {"connection": "warehouse", "table": slow_table.name}
    job_id = first.create(source, chunk_target_bytes=CHUNK, parallelism=1)["job_id"]
    first.until(job_id, lambda job: job["progress"]["chunks_published"] >= 1)
    grown = [now[started][labels()] > then for then, now in zip(had, pair.counted(), strict=True)]
    assert grown.count(True) == 1
    if grown[0]:
        pair.stack.kill("worker")
    else:
        pair.worker.process.kill()

    slow_table.hurry()
    job = second.until_state(job_id, "staged")
    rows = second.read_by_link(job_id)
    assert_same_rows(rows, slow_table.rows, "id")
    assert rows.equals(first.read_by_link(job_id))
    count = job["manifest"]["chunk_count"]
    assert len({chunk["chunk_id"] for chunk in first.chunks(job_id)}) == count
    first.until(job_id, lambda _: len(pair.stack.object_keys(f"1/{job_id}/")) == count)
    attempts, published, partitions = pair.attempts(job_id)
    assert published == partitions == job["progress"]["partitions_total"] < attempts
