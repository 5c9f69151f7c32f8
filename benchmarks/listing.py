"""A sealed job of many chunks, our API on its catalog, and the bare peer on the same."""

import os
import secrets
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.many_chunks import write_chunks
from staging.local.child import Child, Program, start
from staging.local.ports import LOOPBACK, PortBook, answers
from staging.local.postgres import temporary_postgres

_PREFIX = "/api/v1/staging"
_START_SECONDS = 60.0
_UNREACHED = "127.0.0.1:9"
"""Where nothing listens: neither the store nor Temporal is asked for a link."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The job, and where both servers show it."""

    job_id: str
    chunk_count: int
    job_url: str
    peer_url: str
    api: psutil.Process

    def page_url(self, since_index: int, size: int) -> str:
        """Name a page of our API."""
        return f"{self.job_url}/chunks?since_index={since_index}&page_size={size}"

    def cpu_seconds(self) -> float:
        """Give the CPU time that the API has taken so far."""
        return float(sum(self.api.cpu_times()[:2]))

    def refresh_url(self, index: int) -> str:
        """Name the refresh of a chunk's link."""
        return f"{self.job_url}/chunks/{index}/refresh"

    def row_url(self, index: int) -> str:
        """Name the peer's answer of the same chunk's row."""
        return f"{self.peer_url}/jobs/{self.job_id}/chunks/{index}"


@contextmanager
def listing(database: str, chunk_count: int) -> Iterator[Listing]:
    """Write the job into a new catalog (`sqlite` or `postgres`); serve it until the end."""
    with tempfile.TemporaryDirectory(prefix="staging-listing-") as name:
        folder = Path(name)
        with _catalog_url(database, folder) as url:
            job_id = write_chunks(url, chunk_count)
            with _servers(url, folder) as (ours, peer, api):
                job_url = f"{ours}{_PREFIX}/jobs/{job_id}"
                yield Listing(job_id, chunk_count, job_url, peer, api)


@contextmanager
def _catalog_url(database: str, folder: Path) -> Iterator[str]:
    if database == "sqlite":
        yield f"sqlite:///{folder}/catalog.db"
        return
    with temporary_postgres() as server:
        yield server.dsn()


@contextmanager
def _servers(url: str, folder: Path) -> Iterator[tuple[str, str, psutil.Process]]:
    """Run both servers, each in a process of its own; give their addresses, and our process."""
    book = PortBook()
    ours, peer = book.take(), book.take()
    environment = _environment(url, folder, ours)
    children = [
        _server(["-m", "api"], folder / "api.log", environment),
        _server(["-m", "benchmarks.peer_api", url, str(peer)], folder / "peer.log", environment),
    ]
    try:
        for child, port in zip(children, (ours, peer), strict=True):
            _until_it_listens(child, port)
        api = psutil.Process(children[0].pid)
        yield f"http://{LOOPBACK}:{ours}", f"http://{LOOPBACK}:{peer}", api
    finally:
        for child in children:
            child.stop()


def _environment(url: str, folder: Path, port: int) -> dict[str, str]:
    return {
        **os.environ,
        "AWS_ACCESS_KEY_ID": "a-key-of-benchmarks",
        "AWS_SECRET_ACCESS_KEY": secrets.token_hex(20),
        "STAGING_STATE_DIR": str(folder),
        "STAGING_CATALOG_URL": url,
        "STAGING_CONNECTIONS": str(folder / "connections.toml"),
        "STAGING_HOST": LOOPBACK,
        "STAGING_PORT": str(port),
        "STAGING_S3_ENDPOINT": f"http://{_UNREACHED}",
        "STAGING_TEMPORAL_ADDRESS": _UNREACHED,
        "STAGING_TICKET_KEY": secrets.token_hex(20),
    }


def _server(arguments: Sequence[str], log: Path, environment: Mapping[str, str]) -> Child:
    return start(Program([sys.executable, *arguments], log, environment))


def _until_it_listens(child: Child, port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not answers(f"{LOOPBACK}:{port}"):
        if child.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the server of port {port} does not listen")
        time.sleep(0.05)
