"""Claims: by Flight a warm chunk is as fast as from memory, a cold one as from a local file.

The peers are bare servers of the same chunks.  Cold chunks are read from the last to the first,
each once, so that none was prefetched.
"""

import base64
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pyarrow as pa
from pyarrow import flight

from benchmarks.ground import Ground
from benchmarks.ours import Jobs
from benchmarks.report import record

_WARM_BAR, _COLD_BAR = 0.95, 0.9
_WARM_READS = 5
"""Reads of one chunk that are timed together."""


@dataclass(frozen=True, slots=True)
class _Route:
    """A server, and the ticket of each chunk there."""

    client: flight.FlightClient
    tickets: Sequence[bytes]

    def read(self, index: int) -> pa.Table:
        return self.client.do_get(flight.Ticket(self.tickets[index])).read_all()


def measure(place: Ground, rounds: int) -> str:
    """Stage lineitem, check that both routes give the same, then read in turn."""
    jobs = Jobs(place.api_url)
    with tempfile.TemporaryDirectory() as folder:
        job_id = jobs.create()
        jobs.until_staged(job_id)
        jobs.download(job_id, Path(folder))
        ours = _ours(jobs, job_id)
        files = [Path(folder) / f"{number}.parquet" for number in range(len(ours.tickets))]
        with _bare(files) as bare:
            memory = _Route(bare, [f"memory {number}".encode() for number in range(len(files))])
            disk = _Route(bare, [f"disk {number}".encode() for number in range(len(files))])
            lines = ["| | ours, MB/s | bare, MB/s | ours / it, median | bar |", "|---" * 5 + "|"]
            lines.append(_row("cold, 1 stream", _cold(ours, disk), _COLD_BAR))
            _check_same(ours, memory)
            for streams in (1, 2):
                pairs = [_warm_pair(ours, memory, streams) for _ in range(max(rounds, 5))]
                lines.append(_row(f"warm, {_streams(streams)}", pairs, _WARM_BAR))
        ours.client.close()
        jobs.discard(job_id)
    lines += ["", f"{len(files)} chunks; MB are of Arrow record batches in memory; medians."]
    return record(f"Flight, scale {place.scale:g}", lines)


def _ours(jobs: Jobs, job_id: str) -> _Route:
    shown = list(jobs.chunks(job_id))
    client = flight.connect(shown[0]["flight"]["locations"][0])
    return _Route(client, [base64.b64decode(each["flight"]["ticket"]) for each in shown])


@contextmanager
def _bare(files: Sequence[Path]) -> Iterator[flight.FlightClient]:
    command = [sys.executable, "-m", "benchmarks.peer_flight", *map(str, files)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        with flight.connect(server.stdout.readline().strip()) as client:
            yield client
        assert server.stdin is not None
        server.stdin.close()


def _cold(ours: _Route, disk: _Route) -> list[tuple[float, float]]:
    disk.read(0)
    last_first = range(len(ours.tickets) - 1, -1, -1)
    return [
        (_rate(lambda i=i: [ours.read(i)]), _rate(lambda i=i: [disk.read(i)])) for i in last_first
    ]


def _warm_pair(ours: _Route, memory: _Route, streams: int) -> tuple[float, float]:
    return (_rate(lambda: _at_once(ours, streams)), _rate(lambda: _at_once(memory, streams)))


def _at_once(route: _Route, streams: int) -> list[pa.Table]:
    """Read the first chunks, one a stream, several times."""
    with ThreadPoolExecutor(streams) as pool:
        return list(pool.map(route.read, list(range(streams)) * _WARM_READS))


def _rate(read: Callable[[], list[pa.Table]]) -> float:
    """Give megabytes a second."""
    began = time.monotonic()
    tables = read()
    return sum(each.nbytes for each in tables) / 1e6 / (time.monotonic() - began)


def _check_same(ours: _Route, memory: _Route) -> None:
    for index in range(len(ours.tickets)):
        if not ours.read(index).equals(memory.read(index)):
            raise AssertionError(f"the servers give different rows of chunk {index}")


def _row(name: str, pairs: Sequence[tuple[float, float]], bar: float) -> str:
    ratio = median(ours / bare for ours, bare in pairs)
    rates = " | ".join(f"{median(each):,.0f}" for each in zip(*pairs, strict=True))
    return f"| {name} | {rates} | {ratio:.2f} | ≥ {bar} {'met' if ratio >= bar else 'missed'} |"


def _streams(count: int) -> str:
    return "1 stream" if count == 1 else f"{count} streams"
