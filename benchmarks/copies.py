"""Count what Flight copies in memory for each byte it serves: `python -m benchmarks.copies`.

A server of its own, beside the stack's, runs with a library before glibc's (copies.c, built with
`cc`) that counts what memcpy and memmove copy and what sendmsg sends.  So does the bare server that
serves from memory.
"""

import argparse
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from pyarrow import flight

from benchmarks.ground import ground
from benchmarks.ours import Jobs
from benchmarks.report import record

_SOURCE = Path(__file__).with_name("copies.c")
_COUNTS = struct.Struct("2N")


@dataclass(frozen=True, slots=True)
class _Counted:
    """A process and the file of its counts."""

    file: Path
    location: str

    def during(self, read: Callable[[], pa.Table]) -> tuple[float, float]:
        """Give the bytes copied and sent, each over the bytes of the table that is read."""
        before = _COUNTS.unpack(self.file.read_bytes())
        served = read().nbytes
        time.sleep(0.5)
        after = _COUNTS.unpack(self.file.read_bytes())
        copied, sent = ((late - early) / served for early, late in zip(before, after, strict=True))
        return copied, sent


def measure(scale: float) -> str:
    """Count the reads of one chunk, cold and warm."""
    with ground(scale) as place, ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        library = folder / "copies.so"
        flags = ["-O2", "-shared", "-fPIC", "-fno-builtin"]
        subprocess.run(["cc", *flags, str(_SOURCE), "-o", str(library), "-ldl"], check=True)
        jobs = Jobs(place.api_url)
        job_id = jobs.create()
        jobs.until_staged(job_id)
        jobs.download(job_id, folder)
        ours = stack.enter_context(_ours(folder, library))
        bare = stack.enter_context(_bare(folder, library))
        lines = ["| | copied in memory / served | sent / served |", "|---|---|---|"]
        with flight.connect(ours.location) as client, flight.connect(bare.location) as other:
            path = flight.FlightDescriptor.for_path(job_id, "0")
            [endpoint] = client.get_flight_info(path).endpoints
            reads = {
                "ours, cold": (ours, lambda: client.do_get(endpoint.ticket).read_all()),
                "ours, warm": (ours, lambda: client.do_get(endpoint.ticket).read_all()),
                "bare, from memory": (bare, lambda: _from(other, "memory 0")),
                "bare, from disk": (bare, lambda: _from(other, "disk 0")),
            }
            for name, (server, read) in reads.items():
                copied, sent = server.during(read)
                lines.append(f"| {name} | {copied:.3f} | {sent:.3f} |")
        jobs.discard(job_id)
    return record(f"Bytes copied by Flight, scale {scale:g}", lines)


def _from(client: flight.FlightClient, ticket: str) -> pa.Table:
    return client.do_get(flight.Ticket(ticket.encode())).read_all()


@contextmanager
def _ours(folder: Path, library: Path) -> Iterator[_Counted]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    own = {
        "STAGING_FLIGHT_PORT": str(port),
        "STAGING_FLIGHT_CACHE_DIR": str(folder / "cache"),
    }
    with _counted(folder / "ours", library, ["flight_server"], own) as (process, file):
        location = f"grpc://127.0.0.1:{port}"
        _until_it_answers(location)
        yield _Counted(file, location)
        process.terminate()


@contextmanager
def _bare(folder: Path, library: Path) -> Iterator[_Counted]:
    command = ["benchmarks.peer_flight", str(folder / "0.parquet")]
    with _counted(folder / "bare", library, command, {}) as (process, file):
        assert process.stdout is not None
        yield _Counted(file, process.stdout.readline().strip())
        assert process.stdin is not None
        process.stdin.close()


@contextmanager
def _counted(
    file: Path, library: Path, command: list[str], own: Mapping[str, str]
) -> "Iterator[tuple[subprocess.Popen[str], Path]]":
    file.write_bytes(bytes(_COUNTS.size))
    environment = {**os.environ, **own, "LD_PRELOAD": str(library), "COPIES_FILE": str(file)}
    with subprocess.Popen(
        [sys.executable, "-m", *command],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process, file


def _until_it_answers(location: str) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            with flight.connect(location) as client:
                client.list_actions()
                return
        except flight.FlightUnavailableError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.copies", description=__doc__)
    parser.add_argument("--scale", type=float, default=0.1, help="TPC-H scale factor (0.1)")
    print(measure(parser.parse_args().scale))


if __name__ == "__main__":
    main()
