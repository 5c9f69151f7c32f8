"""Claim: Flight holds nothing of readers that come and go: `python -m benchmarks.soak`.

Fifty readers in five processes read for minutes; they leave streams in their middle, a process of
ten is killed now and then, and the job that they read is replaced by a new one and deleted.  The
memory of the Flight server must stay level, its threads and files must go back to where they were
before, and every chunk that was read to its end must have its rows.
"""

import argparse
import io
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import httpx2
import psutil
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.ground import ground
from benchmarks.ours import Jobs
from benchmarks.report import record
from staging.local.folder import StateFolder
from staging.local.runfile import read_run
from staging.settings import Settings

_PROCESSES, _READERS = 5, 10
_GROWTH = 1.15
"""Memory of the last quarter over that of the second: more is a leak."""
_SETTLE_SECONDS = 60
_JOB_SECONDS = 20
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Held:
    """What the Flight server holds: memory of its own (not mapped files), threads, files, callers.

    Files are those of the cache, and those without a name that objects are fetched into.  The pools
    of connections to the store and the catalog are left out: they fill up to their bounds (SQLite
    keeps the files of closed connections, for those to come).
    """

    anonymous_mb: float
    threads: int
    files: int
    callers: int

    @classmethod
    def by(cls, pid: int) -> "Held":
        """Ask the kernel."""
        status = Path(f"/proc/{pid}/status").read_text()
        [anonymous] = [line.split()[1] for line in status.splitlines() if "RssAnon" in line]
        process = psutil.Process(pid)
        connections = process.net_connections("tcp")
        served = {each.laddr.port for each in connections if each.status == psutil.CONN_LISTEN}
        callers = [
            each
            for each in connections
            if each.laddr.port in served and each.status != psutil.CONN_LISTEN
        ]
        files = [name for name in _opened(pid) if "/flight-cache/" in name or "(deleted)" in name]
        return cls(int(anonymous) / 1024, process.num_threads(), len(files), len(callers))


def _opened(pid: int) -> Iterator[str]:
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            yield os.readlink(link)


@dataclass(slots=True)
class Soaked:
    """What the readers counted, and what the server held, second by second."""

    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    before: Held | None = None
    after: Held | None = None

    @property
    def memory_mb(self) -> tuple[float, float]:
        """The median of the second quarter and of the last."""
        quarter = max(1, len(self.held) // 4)
        parts = self.held[quarter : 2 * quarter] or self.held, self.held[-quarter:]
        early, late = (median(each.anonymous_mb for each in part) for part in parts)
        return early, late

    def faults(self) -> list[str]:
        """Say what is not as claimed."""
        assert self.before is not None
        assert self.after is not None
        early, late = self.memory_mb
        found = list(self.wrong[:5])
        if late > early * _GROWTH + 20:
            found.append(f"memory grew from {early:.0f} to {late:.0f} MB")
        if not _is_back(self.before, self.after):
            found.append(f"before {self.before}, after {self.after}")
        if not self.counts["whole"] or not self.counts["left"]:
            found.append(f"nothing was read, or nobody left: {self.counts}")
        return found


def soak(pid: int, location: str, seconds: float, plans: Iterator[list[dict[str, Any]]]) -> Soaked:
    """Let readers come and go; `plans` gives the chunks to read, again and again, with a pause."""
    soaked, plan = Soaked(), next(plans)
    _warm(pid, location, plan)
    soaked.before = Held.by(pid)
    readers = [_started(location, plan) for _ in range(_PROCESSES)]
    ends_at = time.monotonic() + seconds
    kill_at = plan_at = time.monotonic() + min(_JOB_SECONDS, seconds / 3)
    while time.monotonic() < ends_at:
        time.sleep(1)
        soaked.held.append(Held.by(pid))
        if time.monotonic() > kill_at:
            _replace(readers, location, plan, soaked)
            kill_at = time.monotonic() + random.uniform(3, 9)
        if time.monotonic() > plan_at:
            plan = next(plans)
            for each in readers:
                _tell(each, plan)
            plan_at = time.monotonic() + _JOB_SECONDS
    for each in readers:
        _gather(each, soaked)
    soaked.after = _settled(pid, soaked.before)
    return soaked


def described(chunks: Iterator[dict[str, Any]]) -> list[dict[str, Any]]:
    """Describe chunks by what reading their links gives."""
    plan = []
    for each in chunks:
        table = pq.read_table(io.BytesIO(httpx2.get(each["url"], timeout=60).content))
        assert table.num_rows == each["row_count"]
        total = pc.sum(table.column(0)).as_py()
        plan.append({"ticket": each["flight"]["ticket"], "rows": table.num_rows, "sum": total})
    return plan


def flight_part(folder: StateFolder) -> tuple[int, str]:
    """Give the pid and the location of the Flight server that runs there."""
    run = read_run(folder)
    assert run is not None
    [part] = [each for each in run.parts if each.name == "flight"]
    assert part.pid is not None
    assert part.url is not None
    return part.pid, part.url


def _warm(pid: int, location: str, plan: list[dict[str, Any]]) -> None:
    """Let the server have the threads and the pools that any reading makes."""
    process = _started(location, plan)
    time.sleep(5)
    _gather(process, Soaked())
    deadline = time.monotonic() + _SETTLE_SECONDS
    while Held.by(pid).callers and time.monotonic() < deadline:
        time.sleep(0.2)


def _started(location: str, plan: list[dict[str, Any]]) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "benchmarks.soak_readers", str(_READERS), location]
    started = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    _tell(started, plan)
    return started


def _tell(readers: "subprocess.Popen[str]", plan: list[dict[str, Any]]) -> None:
    assert readers.stdin is not None
    print(json.dumps(plan), file=readers.stdin, flush=True)


def _gather(readers: "subprocess.Popen[str]", soaked: Soaked) -> None:
    told, _ = readers.communicate(timeout=120)
    found = json.loads(told)
    soaked.counts.update(found["counts"])
    soaked.wrong += found["wrong"]


def _replace(
    readers: "list[subprocess.Popen[str]]",
    location: str,
    plan: list[dict[str, Any]],
    soaked: Soaked,
) -> None:
    """Kill ten readers in the middle of what they do, and start ten others."""
    killed = readers.pop(0)
    killed.kill()
    killed.communicate()
    soaked.counts["killed"] += _READERS
    readers.append(_started(location, plan))


def _settled(pid: int, before: Held) -> Held:
    """Wait until the server is as it was, for a minute at most."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    while not _is_back(before, held := Held.by(pid)) and time.monotonic() < deadline:
        time.sleep(0.5)
    return held


def _is_back(before: Held, after: Held) -> bool:
    """Tell whether threads and files are as few as before; gRPC keeps some idle threads."""
    return (
        after.threads <= before.threads + 4
        and after.files <= before.files
        and after.callers <= before.callers
    )


def measure(scale: float, minutes: float, say: Callable[[str], None]) -> str:
    """Soak the Flight server of a new stack; raises AssertionError if it holds something back."""
    with ground(scale) as place:
        jobs = Jobs(place.api_url)
        pid, location = flight_part(StateFolder(Settings().state_dir))

        def plans() -> Iterator[list[dict[str, Any]]]:
            last: str | None = None
            while True:
                job_id = jobs.create(chunk_target_bytes=_MIB)
                jobs.until_staged(job_id)
                plan = described(jobs.chunks(job_id))
                if last is not None:
                    jobs.discard(last)
                yield plan
                last = job_id

        soaked = soak(pid, location, minutes * 60, plans())
    for fault in soaked.faults():
        say(f"not as claimed: {fault}")
    assert not soaked.faults()
    return record("Soak of Flight", _lines(minutes, soaked))


def _lines(minutes: float, soaked: Soaked) -> list[str]:
    assert soaked.before is not None
    assert soaked.after is not None
    counts, (early, late) = soaked.counts, soaked.memory_mb
    return [
        f"{_PROCESSES * _READERS} readers for {minutes:g} minutes:"
        f" {counts['whole']:,} chunks read to their end, {counts['rows']:,} rows, all right;"
        f" {counts['left']:,} streams left in the middle (cancelled {counts['cancel']:,},"
        f" connection closed {counts['close']:,}, forgotten {counts['forget']:,}),"
        f" {counts['killed']:,} readers killed; {counts['busy']:,} times too busy,"
        f" {counts['gone']:,} times deleted meanwhile.",
        "",
        "| the Flight server | before | second quarter | last quarter | most | after |",
        "|---" * 6 + "|",
        f"| anonymous memory, MB | {soaked.before.anonymous_mb:.0f} | {early:.0f} | {late:.0f}"
        f" | {max(each.anonymous_mb for each in soaked.held):.0f}"
        f" | {soaked.after.anonymous_mb:.0f} |",
        f"| threads | {soaked.before.threads} | | | {max(each.threads for each in soaked.held)}"
        f" | {soaked.after.threads} |",
        f"| connections of callers | {soaked.before.callers} | |"
        f" | {max(each.callers for each in soaked.held)} | {soaked.after.callers} |",
        f"| open files of chunks | {soaked.before.files} | |"
        f" | {max(each.files for each in soaked.held)} | {soaked.after.files} |",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--scale", type=float, default=0.1, help="TPC-H scale factor (0.1)")
    parser.add_argument("--minutes", type=float, default=10, help="how long (10)")
    asked = parser.parse_args()
    print(measure(asked.scale, asked.minutes, print))


if __name__ == "__main__":
    main()
