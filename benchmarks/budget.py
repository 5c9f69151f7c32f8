"""Where the time of staging goes: CPU of each part, and time of each stage of the tasks.

CPU is user and system time of a part's living processes and of those that they waited for, from
before the POST until `staged` (Linux: /proc/PID/stat).  Stages are what the receipts say.
"""

import json
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from statistics import median

import psutil
import psycopg

from benchmarks.ground import Ground
from benchmarks.ours import Jobs, task_processes
from benchmarks.report import record
from staging.local.folder import StateFolder
from staging.local.runfile import read_run
from staging.settings import Settings

_STAGES = ("read", "encode", "upload")
_NAMES = {
    "source": "source server (Postgres)",
    "tasks": "extraction tasks: decode, Parquet, hash, upload",
    "ray": "the rest of Ray",
    "s3": "object store (SeaweedFS)",
    "worker": "workflow worker",
    "temporal": "Temporal",
    "api": "API",
    "flight": "Flight server, idle",
}


def measure(place: Ground, rounds: int) -> str:
    """Stage lineitem `rounds` times after a warm-up; give the medians per million rows."""
    jobs, folder = Jobs(place.api_url), StateFolder(Settings().state_dir)
    _run(place, jobs, folder)
    runs = [_run(place, jobs, folder) for _ in range(rounds)]
    wall, millions = median(run["wall"] for run in runs), runs[0]["rows"] / 1e6
    lines = ["| part | CPU s per 1 M rows | share of a core |", "|---|---|---|"]
    for key, name in _NAMES.items():
        cpu = median(run[key] for run in runs)
        lines.append(f"| {name} | {cpu / millions:.3f} | {cpu / wall:.0%} |")
    lines += ["", "| stage of a task | s per 1 M rows, over all tasks |", "|---|---|"]
    for stage in _STAGES:
        lines.append(f"| {stage} | {median(run[stage] for run in runs) / millions:.3f} |")
    lines += ["", f"Wall: {wall:.2f} s for {millions:.1f} M rows, {wall / millions:.3f} s per 1 M."]
    return record(f"Budget of staging, scale {place.scale:g}", lines)


def _run(place: Ground, jobs: Jobs, folder: StateFolder) -> Mapping[str, float]:
    before, began = _cpu(place, folder), time.monotonic()
    job_id = jobs.create()
    jobs.until_staged(job_id)
    wall = time.monotonic() - began
    spent = _cpu(place, folder)
    spent.subtract(before)
    stages = _stages(folder.log("worker"), job_id)
    jobs.discard(job_id)
    return {"wall": wall, **spent, **stages}


def _cpu(place: Ground, folder: StateFolder) -> Counter[str]:
    run = read_run(folder)
    assert run is not None
    spent: Counter[str] = Counter()
    for part in run.parts:
        spent[part.name] = _tree_seconds(psutil.Process(part.pid))
    spent["tasks"] = sum(_seconds(each) for each in task_processes(place))
    spent["ray"] -= spent["tasks"]
    spent["source"] = _tree_seconds(_server_of(place.dsn))
    return spent


def _server_of(dsn: str) -> psutil.Process:
    with psycopg.connect(dsn) as session:
        server = psutil.Process(session.info.backend_pid).parent()
    assert server is not None
    return server


def _tree_seconds(root: psutil.Process) -> float:
    return sum(_seconds(each) for each in [root, *root.children(recursive=True)])


def _seconds(process: psutil.Process) -> float:
    with suppress(psutil.Error):
        return float(sum(process.cpu_times()[:4]))
    return 0.0


def _stages(log: Path, job_id: str) -> dict[str, float]:
    """Add up what the worker's log has of the job's receipts."""
    found: Counter[str] = Counter()
    for line in log.read_text().splitlines():
        if "partition_published" in line and job_id in line:
            receipt = json.loads(line)
            found.update(receipt["seconds"])
            found["rows"] += receipt["rows"]
    return {"rows": 0, **found}
