"""Claims: the refresh of a link takes 5 ms, and at 50 at once half the rate of a bare route.

The bare route is `benchmarks.peer_api`: FastAPI, SQLAlchemy, one row, the same server settings.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.listing import Listing, listing
from benchmarks.load import Load, get, load
from benchmarks.report import record

_CHUNKS = 100_000
_P50_BAR_MS, _RATE_BAR = 5.0, 0.5
_AT_ONCE = 50
_SECONDS = 6.0
_STEP = 977
"""Chunks are asked for all over the job, not one after the other."""


@dataclass(frozen=True, slots=True)
class _Pair:
    """What ours and the bare route did within one round."""

    ours: Load
    bare: Load


def measure(scale: float, rounds: int) -> str:
    """Ask ours and the bare route in turn, alone and at 50 connections, after a warm-up."""
    count = max(1_000, round(_CHUNKS * min(1.0, scale)))
    lines = [
        "| catalog | at once | ours, 1/s | bare, 1/s | ours / bare, median | ours p50, ms |"
        " ours p99, ms | bare p99, ms | bar |",
        "|---" * 9 + "|",
    ]
    busy = 0.0
    for database in ("sqlite", "postgres"):
        with listing(database, count) as shown:
            _pair(shown, _AT_ONCE, 2.0)
            for at_once in (1, _AT_ONCE):
                pairs = [_pair(shown, at_once, _SECONDS) for _ in range(max(3, rounds))]
                lines.append(_row(database, at_once, pairs))
                busy = max(busy, *(_busy(each) for pair in pairs for each in _both(pair)))
    lines += ["", f"The load generator took {busy:.0%} of one core at most."]
    return record("API", lines)


def _pair(shown: Listing, at_once: int, seconds: float) -> _Pair:
    indexes = [each * _STEP % shown.chunk_count for each in range(1_000)]
    ours = [get(shown.refresh_url(index)) for index in indexes]
    bare = [get(shown.row_url(index)) for index in indexes]
    return _Pair(
        load(shown.job_url, ours, connections=at_once, seconds=seconds),
        load(shown.peer_url, bare, connections=at_once, seconds=seconds),
    )


def _both(pair: _Pair) -> tuple[Load, Load]:
    return pair.ours, pair.bare


def _busy(answered: Load) -> float:
    return answered.cpu_seconds / answered.seconds


def _row(database: str, at_once: int, pairs: Sequence[_Pair]) -> str:
    ratio = median(pair.ours.rate / pair.bare.rate for pair in pairs)
    p50, p99 = (1000 * median(pair.ours.percentile(each) for pair in pairs) for each in (50, 99))
    bare_p99 = 1000 * median(pair.bare.percentile(99) for pair in pairs)
    if at_once == 1:
        bar = f"p50 ≤ {_P50_BAR_MS:g} ms: {'met' if p50 <= _P50_BAR_MS else 'missed'}"
    else:
        bar = f"ratio ≥ {_RATE_BAR}: {'met' if ratio >= _RATE_BAR else 'missed'}"
    rates = " | ".join(
        f"{median(each.rate for each in side):,.0f}"
        for side in zip(*map(_both, pairs), strict=True)
    )
    cells = f"{ratio:.2f} | {p50:.2f} | {p99:.1f} | {bare_p99:.1f} | {bar}"
    return f"| {database} | {at_once} | {rates} | {cells} |"
