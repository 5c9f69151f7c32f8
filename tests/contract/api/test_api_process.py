"""`python -m api` as an operator runs it, with Temporal down."""

import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx2
import pytest

from staging.catalog import Catalog
from staging.core.jobs import JobState
from staging.local.ports import free_port
from staging.settings import InsecureBind, Settings
from tests.contract.api.service import PREFIX, problem_of
from tests.contract.catalog_steps import a_draft, job_in, staged
from tests.contract.reading.servers import ROOT, Server, answers, start

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def environment(template: Path, s3, tmp_path_factory) -> Mapping[str, str]:
    folder = tmp_path_factory.mktemp("process")
    for name in ("catalog.db", "connections.toml", "app.db"):
        (folder / name).write_bytes((template / name).read_bytes())
    return {
        "STAGING_STATE_DIR": str(folder),
        "STAGING_CONNECTIONS": str(folder / "connections.toml"),
        "STAGING_PORT": str(free_port()),
        "STAGING_S3_ENDPOINT": s3.endpoint,
        "STAGING_S3_BUCKET": s3.bucket,
        "STAGING_TEMPORAL_ADDRESS": f"127.0.0.1:{free_port()}",
        "STAGING_TICKET_KEY": "a key of tests",
        "STAGING_HOST": "127.0.0.1",
    }


@pytest.fixture(scope="module")
def server(environment) -> Iterator[Server]:
    started = start("api", environment, Path(environment["STAGING_STATE_DIR"]) / "api.log")
    started.until(lambda: answers(int(environment["STAGING_PORT"])))
    yield started
    started.stop()


@pytest.fixture(scope="module")
def stored(environment) -> Iterator[Catalog]:
    """The catalog that the process reads."""
    catalog = Catalog.open(f"sqlite:///{environment['STAGING_STATE_DIR']}/catalog.db")
    yield catalog
    catalog.close()


@pytest.fixture
def url(server, environment) -> str:
    return f"http://127.0.0.1:{environment['STAGING_PORT']}"


def run(environment: Mapping[str, str]) -> tuple[int, str]:
    ended = subprocess.run(
        [sys.executable, "-m", "api"],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return ended.returncode, ended.stderr


def test_a_host_that_is_not_loopback_is_refused(environment):
    code, said = run({**environment, "STAGING_HOST": "0.0.0.0", "STAGING_INSECURE_BIND": "0"})

    assert code == 2
    assert "STAGING_INSECURE_BIND=1" in said


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "staging-service", ""])
def test_only_the_operators_word_opens_another_host(host):
    with pytest.raises(InsecureBind):
        _ = Settings(host=host).listen_host
    assert Settings(host=host, insecure_bind=True).listen_host == host


def test_without_a_ticket_key_it_does_not_start(environment):
    code, said = run({**environment, "STAGING_TICKET_KEY": ""})

    assert code == 2
    assert "STAGING_TICKET_KEY" in said


def test_it_is_ready_while_temporal_is_down_and_says_so(url):
    answer = httpx2.get(f"{url}/readyz")

    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ready",
        "parts": {
            "catalog": {"state": "up", "required": True, "detail": None},
            "store": {"state": "up", "required": True, "detail": None},
            "temporal": {"state": "down", "required": False, "detail": "Temporal does not answer."},
        },
    }


def test_it_tells_that_it_lives_and_what_it_is(url):
    assert httpx2.get(f"{url}/healthz").json() == {"status": "ok"}
    assert httpx2.get(f"{url}/version").json() == {
        "name": "staging-service",
        "version": "0.1.0",
        "api": "v1",
    }


def test_a_job_is_accepted_at_once_while_temporal_is_down(url):
    body = {"source": {"connection": "app", "table": "users"}}
    started = time.monotonic()

    answer = httpx2.post(f"{url}{PREFIX}/jobs", json=body, timeout=30)

    assert answer.status_code == 202, answer.text
    assert time.monotonic() - started < 20


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_large_body_is_refused_and_the_connection_goes_on(url, is_chunked):
    body = iter([b" " * MIB, b" " * MIB]) if is_chunked else b" " * (2 * MIB)
    with httpx2.Client(timeout=30) as client:
        refused = client.post(f"{url}{PREFIX}/jobs", content=body)
        after = client.get(f"{url}/healthz")

    assert problem_of(refused) == (413, "body_too_large")
    assert after.status_code == 200


def test_a_user_that_is_not_utf_8_is_read_as_latin_1(url, environment):
    body = b'{"source": {"connection": "app", "table": "users"}}'
    with socket.create_connection(("127.0.0.1", int(environment["STAGING_PORT"])), 10) as raw:
        raw.sendall(
            f"POST {PREFIX}/jobs HTTP/1.1\r\nHost: x\r\nConnection: close\r\n".encode()
            + b"X-User-ID: Zo\xeb\r\n"
            + f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        said = b"".join(iter(lambda: raw.recv(65536), b""))

    assert said.startswith(b"HTTP/1.1 202 ")
    assert json.loads(said.partition(b"\r\n\r\n")[2])["user_id"] == "Zoë"


def test_no_link_token_or_header_is_logged(url, server, stored):
    job_id = staged(stored, draft=a_draft(ttl_seconds=10**9))
    answer = httpx2.get(
        f"{url}{PREFIX}/jobs/{job_id}?page_size=1&since_index=0",
        headers={"X-Request-ID": "to be found", "X-User-ID": "ada lovelace"},
    )
    signature = answer.json()["chunks"][0]["url"].partition("X-Amz-Signature=")[2]
    token = answer.json()["next_page_token"]
    httpx2.get(f"{url}{PREFIX}/jobs/{job_id}?page_token={token}")

    server.until(lambda: server.log.read_text().count(job_id) >= 2)
    logged = server.log.read_text()
    line = next(json.loads(each) for each in logged.splitlines() if "to be found" in each)
    assert (line["method"], line["status"]) == ("GET", 200)
    for secret in (
        signature,
        token,
        answer.json()["chunks"][0]["flight"]["ticket"],
        "ada lovelace",
    ):
        assert secret not in logged


def test_it_is_not_ready_without_its_store_or_its_tables(environment, tmp_path):
    port = free_port()
    sqlite3.connect(tmp_path / "catalog.db").close()
    changed = {
        "STAGING_PORT": str(port),
        "STAGING_STATE_DIR": str(tmp_path),
        "STAGING_S3_ENDPOINT": f"http://127.0.0.1:{free_port()}",
    }
    broken = start("api", {**environment, **changed}, tmp_path / "api.log")
    broken.until(lambda: answers(port))

    answer = httpx2.get(f"http://127.0.0.1:{port}/readyz", timeout=30)
    broken.stop()

    assert problem_of(answer) == (503, "not_ready")
    assert answer.headers["retry-after"] == "5"
    assert {name: part["state"] for name, part in answer.json()["parts"].items()} == {
        "catalog": "down",
        "store": "down",
        "temporal": "down",
    }


def test_it_stops_in_seconds_although_someone_waits(environment, tmp_path, stored):
    port = free_port()
    job = job_in(stored, JobState.RUNNING, a_draft())
    stopping = start("api", {**environment, "STAGING_PORT": str(port)}, tmp_path / "api.log")
    stopping.until(lambda: answers(port))
    with socket.create_connection(("127.0.0.1", port), 10) as waiter:
        waiter.sendall(
            f"GET {PREFIX}/jobs/{job.job_id}?wait_seconds=50 HTTP/1.1\r\nHost: x\r\n"
            f'If-None-Match: W/"{job.revision}"\r\n\r\n'.encode()
        )
        time.sleep(0.5)
        started = time.monotonic()
        code = stopping.stop(60)
        took = time.monotonic() - started
        said = waiter.recv(65536)

    assert code == 0
    assert took < 20
    assert said.startswith(b"HTTP/1.1 304 ")


def test_it_stops_in_seconds_although_someone_listens(environment, tmp_path, stored):
    port = free_port()
    job = job_in(stored, JobState.RUNNING, a_draft())
    stopping = start("api", {**environment, "STAGING_PORT": str(port)}, tmp_path / "api.log")
    stopping.until(lambda: answers(port))
    with socket.create_connection(("127.0.0.1", port), 10) as listener:
        path = f"{PREFIX}/jobs/{job.job_id}/events"
        listener.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        said = listener.recv(65536)
        started = time.monotonic()
        code = stopping.stop(60)
        took = time.monotonic() - started
        said += b"".join(iter(lambda: listener.recv(65536), b""))

    assert code == 0
    assert took < 20
    assert said.startswith(b"HTTP/1.1 200 ")
    assert b"event: progress" in said
    assert said.endswith(b"\r\n0\r\n\r\n")
