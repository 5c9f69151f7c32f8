"""Measure batch sizes and server processes on the warm path: `python -m benchmarks.batches`.

Bare servers stream lineitem from a mapped Arrow file, as a warm chunk is, to reading processes; no
stack is needed.  The best of some reads is shown, and the processor time of all processes: it says
more than the clock where a machine is shared.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import flight

from benchmarks.report import record

_ROWS = (8_192, 16_384, 32_768, 65_536, 131_072, 262_144)
_READS = 6


class Mapped(flight.FlightServerBase):  # type: ignore[misc]  # pyarrow has no stubs
    """Streams one mapped file."""

    def __init__(self, file: str) -> None:
        self._table = pa.ipc.open_file(pa.memory_map(file)).read_all()
        super().__init__("grpc://127.0.0.1:0")

    def do_get(
        self, context: flight.ServerCallContext, _: flight.Ticket
    ) -> flight.RecordBatchStream:
        """Stream the file."""
        del context
        return flight.RecordBatchStream(self._table)


def measure(scale: float) -> str:
    """Read one stream a batch size, then two streams of one and of two servers."""
    with tempfile.TemporaryDirectory() as folder:
        table = _lineitem(Path(folder), scale)
        lines = ["| rows a batch | MiB a batch | MB/s, best | processor s a GB |", "|---" * 4 + "|"]
        for rows in _ROWS:
            file = _written(table, Path(folder) / f"{rows}.arrow", rows)
            rate, seconds = _rates([file], 1)
            size = table.nbytes / max(1, table.num_rows // rows) / (1 << 20)
            lines.append(f"| {rows:,} | {size:.1f} | {rate:,.0f} | {seconds:.2f} |")
        lines += [
            "",
            "| servers | streams | MB/s in all, best | processor s a GB |",
            "|---" * 4 + "|",
        ]
        file = Path(folder) / "65536.arrow"
        for servers, streams in ((1, 1), (1, 2), (2, 2), (1, 4), (2, 4)):
            rate, seconds = _rates([file] * servers, streams)
            lines.append(f"| {servers} | {streams} | {rate:,.0f} | {seconds:.2f} |")
    return record(f"Batches and processes of Flight, scale {scale:g}", lines)


def _lineitem(folder: Path, scale: float) -> pa.Table:
    command = [str(Path(sys.executable).with_name("tpchgen-cli")), "parquet"]
    subprocess.run([*command, "-s", str(scale), "--tables=lineitem", "-o", folder], check=True)
    table = pq.read_table(folder / "lineitem.parquet")
    plain = [
        field.with_type(pa.string()) if "string" in str(field.type) else field
        for field in table.schema
    ]
    return table.cast(pa.schema(plain)).combine_chunks()


def _written(table: pa.Table, file: Path, rows: int) -> Path:
    with pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=rows)
    return file


def _rates(files: Sequence[Path], streams: int) -> tuple[float, float]:
    """Give the best megabytes a second over all streams, and the processor seconds a gigabyte."""
    with ExitStack() as stack:
        servers = [stack.enter_context(_child("serve", str(file))) for file in files]
        places = [_said(each) for each in servers]
        readers = [
            stack.enter_context(_child("read", places[number % len(places)]))
            for number in range(streams)
        ]
        for each in readers:
            _said(each)
        everyone = [psutil.Process(each.pid) for each in (*servers, *readers)]
        measured = [_round(readers, everyone) for _ in range(_READS)]
    return max(rate for rate, _ in measured), min(seconds for _, seconds in measured)


def _round(
    readers: "Sequence[subprocess.Popen[str]]", everyone: Sequence[psutil.Process]
) -> tuple[float, float]:
    used, began = _used(everyone), time.monotonic()
    for each in readers:
        assert each.stdin is not None
        print("go", file=each.stdin, flush=True)
    served = sum(int(_said(each)) for each in readers) / 1e6
    return served / (time.monotonic() - began), (_used(everyone) - used) / (served / 1000)


def _used(processes: Sequence[psutil.Process]) -> float:
    return sum(sum(each.cpu_times()[:2]) for each in processes)


def _said(child: "subprocess.Popen[str]") -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


@contextmanager
def _child(*words: str) -> "Iterator[subprocess.Popen[str]]":
    command = [sys.executable, "-m", "benchmarks.batches", *words]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        yield child
        assert child.stdin is not None
        child.stdin.close()


def serve(file: str) -> None:
    """Serve a file until standard input ends; print the location."""
    server = Mapped(file)
    print(f"grpc://127.0.0.1:{server.port}", flush=True)
    sys.stdin.read()
    server.shutdown()


def read(location: str) -> None:
    """Read the whole once a line of standard input; print the bytes."""
    with flight.connect(location) as client:
        print("ready", flush=True)
        for _ in sys.stdin:
            print(client.do_get(flight.Ticket(b"")).read_all().nbytes, flush=True)


def main() -> None:
    if sys.argv[1:2] in (["serve"], ["read"]):
        {"serve": serve, "read": read}[sys.argv[1]](sys.argv[2])
        return
    parser = argparse.ArgumentParser(prog="python -m benchmarks.batches", description=__doc__)
    parser.add_argument("--scale", type=float, default=0.3, help="TPC-H scale factor (0.3)")
    print(measure(parser.parse_args().scale))


if __name__ == "__main__":
    main()
