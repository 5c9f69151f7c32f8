"""What a task takes of its node's memory, job after job."""

import re
from pathlib import Path

import psutil
import psycopg
import pytest

from staging.local.tpch import load_lineitem

MOST_BYTES = 365_000_000
"""The bar is 400 MB; a task that takes 430 MB of a table of scale 1 takes 375 MB here."""
JOBS = 3
"""One process reads for all of them: what a job leaves behind is part of the next one's peak."""


@pytest.fixture(scope="module")
def lineitem(dsn):
    """Some row groups of lineitem: a task holds no more of a larger table."""
    load_lineitem(dsn, 0.1)
    with psycopg.connect(dsn) as connection:
        connection.execute("GRANT SELECT ON lineitem TO PUBLIC")
    yield "public.lineitem"
    with psycopg.connect(dsn) as connection:
        connection.execute("DROP TABLE lineitem")


def peaks_of_tasks(ray_pid):
    """Give the largest RSS that each of Ray's workers ever had, in bytes (proc(5), VmHWM)."""
    peaks = []
    for process in psutil.Process(ray_pid).children(recursive=True):
        if " ".join(process.cmdline()).startswith("ray::"):
            status = Path(f"/proc/{process.pid}/status").read_text()
            peaks.append(int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024)
    return peaks


def test_a_task_stays_within_400_mb(service, stack, lineitem):
    for _ in range(JOBS):
        source = {"connection": "warehouse", "table": lineitem}
        job_id = service.create(source, parallelism=1)["job_id"]
        assert service.until_state(job_id, "staged", seconds=60)["manifest"]["row_count"] > 600_000
        service.http.delete(f"/jobs/{job_id}").raise_for_status()
        service.until_state(job_id, "cancelled")

    assert 200_000_000 < max(peaks_of_tasks(stack.pid_of("ray"))) < MOST_BYTES
