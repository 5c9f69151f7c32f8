"""A thousand callers who wait for news at one process, each on a connection of its own."""

import asyncio
import json
import resource
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from staging.catalog import Catalog
from staging.core.jobs import JobState
from staging.local.ports import free_port
from tests.contract.api.service import PREFIX
from tests.contract.catalog_steps import a_draft, job_in, running
from tests.contract.reading.servers import answers, start

JOBS, WAITERS = 40, 1_000
OPEN_FILES = 4_096


@dataclass(frozen=True)
class Service:
    """A running API and the catalog that it reads."""

    port: int
    catalog: Catalog

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"


@pytest.fixture
def service(template: Path, tmp_path: Path) -> Iterator[Service]:
    for name in ("catalog.db", "connections.toml"):
        (tmp_path / name).write_bytes((template / name).read_bytes())
    port = free_port()
    nowhere = f"127.0.0.1:{free_port()}"
    environment = {
        "AWS_ACCESS_KEY_ID": "a key",
        "AWS_SECRET_ACCESS_KEY": "its secret",
        "STAGING_STATE_DIR": str(tmp_path),
        "STAGING_CONNECTIONS": str(tmp_path / "connections.toml"),
        "STAGING_PORT": str(port),
        "STAGING_HOST": "127.0.0.1",
        "STAGING_S3_ENDPOINT": f"http://{nowhere}",
        "STAGING_TEMPORAL_ADDRESS": nowhere,
        "STAGING_TICKET_KEY": "a key of tests",
    }
    server = start("api", environment, tmp_path / "api.log")
    server.until(lambda: answers(port))
    catalog = Catalog.open(f"sqlite:///{tmp_path}/catalog.db")
    yield Service(port, catalog)
    catalog.close()
    server.stop()


@pytest.fixture
def open_files() -> Iterator[None]:
    """Let this process, and those it starts, hold a connection for each waiter."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    assert most > WAITERS + 200
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@dataclass(frozen=True)
class Woken:
    """What a waiter was answered, and when."""

    status: int
    job: Mapping[str, object]
    at: float


async def wait_for_news(service: Service, job_id: str, revision: int) -> Woken:
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port, limit=1 << 20)
    writer.write(
        f"GET {PREFIX}/jobs/{job_id}?wait_seconds=50&page_size=1 HTTP/1.1\r\nHost: x\r\n"
        f'If-None-Match: W/"{revision}"\r\n\r\n'.encode()
    )
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    at = time.monotonic()
    length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
    job = json.loads(await reader.readexactly(length))
    writer.close()
    return Woken(int(head.split()[1]), job, at)


async def all_wait(service: Service, client: httpx2.AsyncClient) -> None:
    """Come back once the process holds every connection."""
    deadline = time.monotonic() + 60
    while True:
        metrics = (await client.get(service.url("/metrics"))).text
        held = next(each for each in metrics.splitlines() if each.startswith("process_open_fds"))
        if float(held.split()[1]) > WAITERS:
            return
        assert time.monotonic() < deadline, metrics
        await asyncio.sleep(0.2)


async def slowest(client: httpx2.AsyncClient, url: str) -> float:
    """Ask some times; give how long the slowest answer took."""
    took = []
    for _ in range(20):
        began = time.monotonic()
        assert (await client.get(url)).status_code == 200
        took.append(time.monotonic() - began)
    return max(took)


@pytest.mark.usefixtures("open_files")
async def test_a_thousand_who_wait_wake_at_once_and_keep_no_one_else_waiting(service):
    jobs = [job_in(service.catalog, JobState.RUNNING, a_draft()) for _ in range(JOBS)]
    another = running(service.catalog)
    async with httpx2.AsyncClient(timeout=60) as client:
        waiting = [
            asyncio.create_task(wait_for_news(service, each.job_id, each.revision))
            for _ in range(WAITERS // JOBS)
            for each in jobs
        ]
        await all_wait(service, client)
        probe = asyncio.create_task(slowest(client, service.url("/healthz")))
        read = asyncio.create_task(slowest(client, service.url(f"{PREFIX}/jobs/{another}")))
        assert max(await probe, await read) < 10
        assert not any(each.done() for each in waiting)

        changed_at = time.monotonic()
        for each in jobs:
            answer = await client.post(service.url(f"{PREFIX}/jobs/{each.job_id}/pause"))
            assert answer.status_code == 202
        probe = asyncio.create_task(slowest(client, service.url("/healthz")))
        woken = await asyncio.wait_for(asyncio.gather(*waiting), 60)
        assert await probe < 10

    assert {each.status for each in woken} == {200}
    assert {each.job["state"] for each in woken} == {"pausing"}
    assert [each.job["job_id"] for each in woken] == [each.job_id for each in jobs] * 25
    assert max(each.at for each in woken) - changed_at < 40
