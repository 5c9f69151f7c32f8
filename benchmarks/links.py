"""Claims: a page of 1000 links takes 50 ms, and the last page of a million as long as the first."""

from collections.abc import Sequence

from benchmarks.listing import Listing, listing
from benchmarks.load import Load, get, load
from benchmarks.report import record

_CHUNKS = 1_000_000
_PAGE = 1_000
_P50_BAR_MS, _P99_BAR_MS = 50, 120
_SECONDS = 5.0
_LAST_BAR = 1.1
"""What noise may add; a page that walked over those before it would be a hundred times slower."""


def measure(scale: float, rounds: int) -> str:
    """Ask for the first and the last page in turn, for a time that grows with the rounds."""
    count = max(2 * _PAGE, round(_CHUNKS * min(1.0, scale)))
    lines = [
        "| catalog | page of 1000 | p50, ms | p99, ms | bar |",
        "|---|---|---|---|---|",
    ]
    cpu: list[str] = []
    for database in ("sqlite", "postgres"):
        with listing(database, count) as shown:
            spent = -shown.cpu_seconds()
            first, last = _pages(shown, rounds)
            spent += shown.cpu_seconds()
        lines += _rows(database, first, last)
        cpu.append(f"{1000 * spent / len(first + last):.1f} ms ({database})")
    lines += [
        "",
        f"One job of {count:,} chunks, one request at a time; {_PAGE} links a page. The API took"
        f" {', '.join(cpu)} of CPU a page.",
    ]
    return record("Links", lines)


def _pages(shown: Listing, rounds: int) -> tuple[list[float], list[float]]:
    """Give the seconds of each first and each last page, asked for one after the other."""
    asked = [get(shown.page_url(start, _PAGE)) for start in (0, shown.chunk_count - _PAGE)]
    answered = load(shown.job_url, asked, connections=1, seconds=2 * rounds * _SECONDS)
    return list(answered.latencies[0::2]), list(answered.latencies[1::2])


def _rows(database: str, first: Sequence[float], last: Sequence[float]) -> list[str]:
    rows = []
    for name, latencies in (("first", first), ("last", last)):
        taken = Load(latencies, 0.0, 0.0)
        p50, p99 = taken.percentile(50) * 1000, taken.percentile(99) * 1000
        is_met = p50 <= _P50_BAR_MS and p99 <= _P99_BAR_MS
        bar = f"≤ {_P50_BAR_MS} and ≤ {_P99_BAR_MS}: {'met' if is_met else 'missed'}"
        rows.append(f"| {database} | {name} | {p50:.1f} | {p99:.1f} | {bar} |")
    ratio = Load(last, 0, 0).percentile(50) / Load(first, 0, 0).percentile(50)
    word = "met" if ratio <= _LAST_BAR else "missed"
    rows.append(f"| {database} | last / first | {ratio:.2f} | | ≤ {_LAST_BAR}: {word} |")
    return rows
