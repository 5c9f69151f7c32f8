"""Two bare Flight servers in one process: chunks from memory, and decoded from local disk.

`python -m benchmarks.peer_flight FILE …` prints its location and serves until its standard input
ends.  The ticket `memory 0` is the first file from memory, `disk 0` the same from disk.
"""

import sys
from pathlib import Path

import pyarrow.parquet as pq
from pyarrow import flight


class Bare(flight.FlightServerBase):  # type: ignore[misc]  # pyarrow has no stubs
    """What the documentation's own examples do, and nothing else."""

    def __init__(self, files: list[Path]) -> None:
        self._files = files
        self._tables = [pq.read_table(file) for file in files]
        super().__init__("grpc://127.0.0.1:0")

    def do_get(
        self, context: flight.ServerCallContext, ticket: flight.Ticket
    ) -> flight.FlightDataStream:
        """Stream a table, or the batches of a file."""
        del context
        where, number = ticket.ticket.decode().split()
        if where == "memory":
            return flight.RecordBatchStream(self._tables[int(number)])
        file = pq.ParquetFile(self._files[int(number)])
        return flight.GeneratorStream(file.schema_arrow, file.iter_batches())


def main() -> None:
    server = Bare([Path(each) for each in sys.argv[1:]])
    print(f"grpc://127.0.0.1:{server.port}", flush=True)
    sys.stdin.read()
    server.shutdown()


if __name__ == "__main__":
    main()
