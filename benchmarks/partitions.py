"""Claim: a partition without rows costs 5 ms, and no run of a workflow has 5,000 events.

A partition is a Parquet file of which a filter leaves nothing, so that what is timed is what each
partition costs whatever it holds: planning, an attempt in the catalog, a task on Ray, publishing.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from temporalio.client import Client

from benchmarks.ground import Ground
from benchmarks.ours import Jobs
from benchmarks.report import record
from staging.settings import Settings

FEWER = 5_000
"""Partitions unless others are asked for: the claim's own 100,000 take many minutes."""
_BAR_MS, _EVENTS_BAR = 5.0, 5_000
_NAME = "emptied"
_CONNECTION = """
[connections.{name}]
kind = "parquet"
root = "{root}"
"""


def measure(place: Ground, rounds: int, *, count: int = FEWER) -> str:
    """Stage so many partitions, once; the claim is about 100,000."""
    del rounds
    jobs = Jobs(place.api_url)
    with _files(count):
        _staged(jobs, "few")
        planned, seconds, job_id = _staged(jobs, "many")
        events = asyncio.run(_events(job_id))
        jobs.discard(job_id)
    milliseconds, most = 1000 * seconds / count, max(events)
    lines = [
        "| partitions | planned after, s | staged after, s | ms a partition | bar |",
        "|---|---|---|---|---|",
        f"| {count:,} | {planned:.1f} | {seconds:.1f} | {milliseconds:.2f} |"
        f" ≤ {_BAR_MS:g} {_word(milliseconds <= _BAR_MS)} |",
        "",
        f"History: {len(events)} runs, the longest of {most:,} events:"
        f" < {_EVENTS_BAR:,} {_word(most < _EVENTS_BAR)}.",
    ]
    return record("Partitions without rows", lines)


def _word(is_met: bool) -> str:
    return "met" if is_met else "missed"


@contextmanager
def _files(count: int) -> Iterator[None]:
    """Register a folder of so many files, and another of a few to warm up with."""
    registry = Settings().connections
    before, root = registry.read_text(), registry.with_name(_NAME)
    for folder, files in (("few", 20), ("many", count)):
        (root / folder).mkdir(parents=True)
        _write(root / folder, files)
    registry.write_text(before + _CONNECTION.format(name=_NAME, root=root))
    yield
    registry.write_text(before)


def _write(folder: Path, count: int) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"n": [1]}), sink)
    body = sink.getvalue().to_pybytes()
    for number in range(count):
        (folder / f"{number}.parquet").write_bytes(body)


def _staged(jobs: Jobs, path: str) -> tuple[float, float, str]:
    """Stage a folder; give the seconds until it was planned and until it was staged."""
    began, planned = time.monotonic(), 0.0
    nothing = {"column": "n", "op": "<", "value": 0}
    job_id = jobs.create({"connection": _NAME, "path": path, "filters": [nothing]})
    for job in jobs.changes(job_id):
        if not planned and job["progress"]["partitions_total"] is not None:
            planned = time.monotonic() - began
        if job["state"] == "staged":
            break
    return planned, time.monotonic() - began, job_id


async def _events(job_id: str) -> list[int]:
    """Give the length of the history of each run of the job's workflow."""
    chosen = Settings()
    client = await Client.connect(chosen.temporal_address, namespace=chosen.temporal_namespace)
    runs = client.list_workflows(f"WorkflowId = '{job_id}'")
    handles = [client.get_workflow_handle(job_id, run_id=run.run_id) async for run in runs]
    return [(await handle.describe()).history_length for handle in handles]
