"""Claim: the first link answers 200 within 1.5 s of the POST.

A chunk is visible whole, so this is bounded from below by the time that the bytes of one take to
be read: it is measured at the default target, and at the smallest that suits a training job.
"""

from statistics import median

from benchmarks.ground import Ground
from benchmarks.ours import Jobs, timed_first_link
from benchmarks.report import record

_BAR_SECONDS = 1.5
_MIB = 1024 * 1024
_TARGETS = (64 * _MIB, 8 * _MIB)


def measure(place: Ground, rounds: int) -> str:
    """Run after one warm-up; no peer, so the bar is a time."""
    jobs = Jobs(place.api_url)
    timed_first_link(jobs, _TARGETS[0])
    count = max(rounds, 3)
    columns = ["`chunk_target_bytes`", *(f"run {n + 1}, s" for n in range(count)), "median", "bar"]
    lines = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    for target in _TARGETS:
        seconds = [timed_first_link(jobs, target) for _ in range(count)]
        middle = median(seconds)
        verdict = "met" if middle <= _BAR_SECONDS else "missed"
        cells = [f"{target // _MIB} MiB", *(f"{each:.2f}" for each in seconds), f"{middle:.2f}"]
        lines.append("| " + " | ".join(cells) + f" | ≤ {_BAR_SECONDS} {verdict} |")
    return record(f"First chunk, scale {place.scale:g}", lines)
