"""Claim: the first link answers 200 within 1.5 s of the POST."""

from statistics import median

from benchmarks.ground import Ground
from benchmarks.ours import Jobs, timed_first_link
from benchmarks.report import record

_BAR_SECONDS = 1.5


def measure(place: Ground, rounds: int) -> str:
    """Run after one warm-up; no peer, so the bar is a time."""
    jobs = Jobs(place.api_url)
    timed_first_link(jobs)
    seconds = [timed_first_link(jobs) for _ in range(max(rounds, 3))]
    middle = median(seconds)
    lines = [
        "| run | " + " | ".join(str(n + 1) for n in range(len(seconds))) + " | median | bar |",
        "|---" * (len(seconds) + 3) + "|",
        "| seconds | "
        + " | ".join(f"{each:.2f}" for each in seconds)
        + f" | {middle:.2f} | ≤ {_BAR_SECONDS} {'met' if middle <= _BAR_SECONDS else 'missed'} |",
    ]
    return record(f"First chunk, scale {place.scale:g}", lines)
