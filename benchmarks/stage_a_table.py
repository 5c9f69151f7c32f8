"""Claim: staging a table costs no more than copying it by the best tool for that alone."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from benchmarks.ground import Ground
from benchmarks.lineitem_hash import count_and_hash
from benchmarks.ours import Jobs, task_peak_bytes
from benchmarks.report import record

_BARS = {"duckdb": (1.15, 1.0), "connectorx": (0.6, 0.6), "adbc": (0.7, 0.7)}
"""Largest ratio ours / peer, below scale 10 and from there on."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run: its time, the peak RSS of one process, and what it wrote."""

    seconds: float
    peak_bytes: int
    rows: tuple[int, int] | None = None


Contender = Callable[[Ground, bool], Outcome]


def measure(place: Ground, rounds: int, peers: Sequence[str] = tuple(_BARS)) -> str:
    """Warm up and compare what everyone wrote, then run all in turn, round by round."""
    contenders: dict[str, Contender] = {"ours": _ours} | {name: _peer(name) for name in peers}
    written = {name: run(place, True).rows for name, run in contenders.items()}
    if len(set(written.values())) != 1:
        raise AssertionError(f"not everyone wrote the same rows: {written}")
    outcomes: dict[str, list[Outcome]] = {name: [] for name in contenders}
    for turn in range(rounds):
        for name, run in contenders.items():
            outcomes[name].append(run(place, False))
            print(f"round {turn + 1}: {name} {outcomes[name][-1].seconds:.2f} s", flush=True)
    lines = _table(outcomes, place.scale)
    rows = next(iter(written.values()))
    assert rows is not None
    lines += ["", f"Everyone wrote the same {rows[0]:,} rows (sum of row hashes {rows[1]})."]
    return record(f"Stage a table, scale {place.scale:g}", lines)


def measure_fastest(place: Ground, rounds: int) -> str:
    """Do it with the fastest peer alone, where a round of all takes too long."""
    return measure(place, rounds, ["duckdb"])


def _ours(place: Ground, is_checked: bool) -> Outcome:
    jobs = Jobs(place.api_url)
    began = time.monotonic()
    job_id = jobs.create()
    jobs.until_staged(job_id)
    seconds = time.monotonic() - began
    peak_bytes = task_peak_bytes(place)
    with tempfile.TemporaryDirectory() as folder:
        if is_checked:
            jobs.download(job_id, Path(folder))
        rows = count_and_hash(Path(folder)) if is_checked else None
    jobs.discard(job_id)
    return Outcome(seconds, peak_bytes, rows)


def _peer(name: str) -> Contender:
    def run(place: Ground, is_checked: bool) -> Outcome:
        prefix = f"bench/{name}"
        order = asdict(place.config) | {"dsn": place.dsn, "prefix": prefix}
        done = subprocess.run(
            [sys.executable, "-m", f"benchmarks.peer_{name}", json.dumps(order)],
            check=True,
            stdout=subprocess.PIPE,
        )
        told = json.loads(done.stdout)
        rows = _fetched_rows(place, prefix) if is_checked else None
        place.store.delete(each.key for each in list(place.store.list(prefix)))
        return Outcome(told["seconds"], told["peak_bytes"], rows)

    return run


def _fetched_rows(place: Ground, prefix: str) -> tuple[int, int]:
    with tempfile.TemporaryDirectory() as folder:
        for number, each in enumerate(place.store.list(prefix)):
            with (Path(folder) / f"{number}.parquet").open("wb") as file:
                place.store.fetch(each.key, file)
        return count_and_hash(Path(folder))


def _table(outcomes: dict[str, list[Outcome]], scale: float) -> list[str]:
    rounds = len(outcomes["ours"])
    lines = [
        "| | "
        + " | ".join(f"round {n + 1}, s" for n in range(rounds))
        + " | peak RSS of one process, MB | ours / it, median | bar |",
        "|---" * (rounds + 4) + "|",
    ]
    for name, runs in outcomes.items():
        peak = max(each.peak_bytes for each in runs) // 1_000_000
        times = " | ".join(f"{each.seconds:.2f}" for each in runs)
        lines.append(f"| {name} | {times} | {peak} | {_verdict(name, outcomes, scale)} |")
    return lines


def _verdict(name: str, outcomes: dict[str, list[Outcome]], scale: float) -> str:
    if name not in _BARS:
        return " | "
    pairs = zip(outcomes["ours"], outcomes[name], strict=True)
    ratio = median(ours.seconds / its.seconds for ours, its in pairs)
    bar = _BARS[name][scale >= 10]
    return f"{ratio:.2f} | ≤ {bar} {'met' if ratio <= bar else 'missed'}"
