"""A node without memory: the job says so, soon, and leaves nothing behind."""

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.e2e.service import Service
from tests.stack import RunningStack

SECONDS_TO_READ = """
CREATE TABLE things AS
WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n LIMIT 3000000) SELECT i FROM n
"""


ROOM_BYTES = 4 << 30
"""More than the stack takes to start and than other tests' processes come and go by."""


def used_bytes() -> int:
    memory = psutil.virtual_memory()
    return memory.total - memory.available


@pytest.fixture
def limit_bytes() -> int:
    """What may be used on this machine before Ray takes it for full."""
    return used_bytes() + ROOM_BYTES


@pytest.fixture
def poor(limit_bytes) -> Iterator[RunningStack]:
    """A stack whose Ray takes its node for full above the limit."""
    with tempfile.TemporaryDirectory(prefix="staging-poor-", ignore_cleanup_errors=True) as name:
        registry = Path(name) / "connections.toml"
        registry.write_text('[connections.app]\nkind = "sqlite"\npath = "app.db"\n')
        with sqlite3.connect(Path(name) / "app.db") as database:
            database.execute(SECONDS_TO_READ)
        settings = {
            "STAGING_CONNECTIONS": str(registry),
            "RAY_memory_usage_threshold": str(limit_bytes / psutil.virtual_memory().total),
            "RAY_memory_monitor_refresh_ms": "50",
        }
        stack = RunningStack(Path(name) / "state", settings)
        yield stack
        stack.stop()


@contextmanager
def full(limit_bytes: int) -> Iterator[None]:
    """Use memory up to somewhat more than the limit."""
    hog = bytearray()
    while used_bytes() < limit_bytes + (256 << 20):
        hog += b"x" * (64 << 20)
    yield
    del hog


def test_a_task_that_never_has_memory_enough_fails_the_job_after_three_tries(poor, limit_bytes):
    service = Service(poor.api_url)
    with full(limit_bytes):
        job_id = service.create({"connection": "app", "table": "things"})["job_id"]
        failed = service.until_state(job_id, "failed")

    assert failed["error"]["code"] == "out_of_memory"
    assert failed["error"]["partition_id"] == 0
    assert poor.object_keys() == []
    worker = (poor.folder.logs / "worker.log").read_text()
    tries = [line for line in worker.splitlines() if '"attempt_failed"' in line]
    assert len(tries) == 3
    assert all('"code": "out_of_memory"' in line for line in tries)
