"""Figures of odd shapes: wide, deep, narrow, and many tiny tables.  No peer, so no bar."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg

from benchmarks.ground import Ground
from benchmarks.ours import Jobs, forget_task_peaks, source_of, task_peak_bytes
from benchmarks.report import record

_WIDE_COLUMNS = ", ".join(f"(n * {each} % 997)::int AS c{each}" for each in range(1, 1_001))
_TINY_JOBS = 1_000


@dataclass(frozen=True, slots=True)
class Shape:
    """A table of `rows` at scale 1; `query` makes it, with {rows} in it."""

    name: str
    rows: int
    query: str
    is_scaled: bool = True


_SERIES = "FROM generate_series(1, {rows}) n"
_SHAPES = (
    Shape("wide: 1,000 int columns", 20_000, f"SELECT {_WIDE_COLUMNS} {_SERIES}"),
    Shape("narrow: 1 bigint column", 100_000_000, f"SELECT n::bigint AS n {_SERIES}"),
    Shape(
        "deep: 1 row of 100 MB",
        1,
        f"SELECT repeat(md5(n::text), 3125000) AS body {_SERIES}",
        is_scaled=False,
    ),
)


def measure(place: Ground, rounds: int) -> str:
    """Stage each shape `rounds` times after a warm-up; give the best time."""
    jobs = Jobs(place.api_url)
    lines = [
        "| shape | rows | best, s | rows/s | peak RSS of one task, MB |",
        "|---|---|---|---|---|",
    ]
    for shape in _SHAPES:
        rows = round(shape.rows * place.scale) if shape.is_scaled else shape.rows
        with _table_of(place.dsn, shape.query.format(rows=rows)):
            forget_task_peaks(place)
            seconds = min(_staged(jobs, "public.shape") for _ in range(rounds + 1))
        peak = task_peak_bytes(place) // 1_000_000
        cells = (shape.name, f"{rows:,}", f"{seconds:.2f}", f"{rows / seconds:,.0f}", str(peak))
        lines.append(f"| {' | '.join(cells)} |")
    count = max(1, round(_TINY_JOBS * min(1.0, place.scale)))
    with _table_of(place.dsn, "SELECT n " + _SERIES.format(rows=10)):
        one = min(_staged(jobs, "public.shape") for _ in range(5))
        seconds = _all_staged(jobs, "public.shape", count)
    lines += [
        "",
        f"{count:,} jobs of a table of 10 rows, posted one after the other: all staged after "
        f"{seconds:.1f} s, {count / seconds:.1f} jobs/s. One alone, warm: {one:.2f} s.",
    ]
    return record(f"Odd shapes, scale {place.scale:g}", lines)


@contextmanager
def _table_of(dsn: str, query: str) -> Iterator[None]:
    with psycopg.connect(dsn, autocommit=True) as server:
        server.execute(f"CREATE UNLOGGED TABLE shape AS {query}")
        server.execute("VACUUM ANALYZE shape")
        try:
            yield
        finally:
            server.execute("DROP TABLE shape")


def _staged(jobs: Jobs, table: str) -> float:
    began = time.monotonic()
    job_id = jobs.create(source_of(table))
    jobs.until_staged(job_id)
    seconds = time.monotonic() - began
    jobs.discard(job_id)
    return seconds


def _all_staged(jobs: Jobs, table: str, count: int) -> float:
    began = time.monotonic()
    created = [jobs.create(source_of(table)) for _ in range(count)]
    for job_id in created:
        jobs.until_staged(job_id)
    seconds = time.monotonic() - began
    for job_id in created:
        jobs.discard(job_id)
    return seconds
