"""Readers that come and go: `python -m benchmarks.soak_readers THREADS LOCATION`.

Each line of standard input is the list of chunks to read from then on, as JSON; its end stops the
readers, which then print what they counted.  Every reader has a connection of its own, takes a
chunk at random, and leaves one of three streams in its middle in one of three ways.
"""

import base64
import json
import random
import sys
import threading
import time
from collections import Counter
from contextlib import suppress

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import flight

_LEFT = 1 / 3
_WAYS = ("cancel", "close", "forget")


class _Left(Exception):
    """A reader has closed its connection."""


class Readers:
    """Threads that read; `counts` is what they met, `wrong` what must not be."""

    def __init__(self, location: str) -> None:
        self._location = location
        self._lock = threading.Lock()
        self.plan: list[dict[str, object]] = []
        self.is_over = False
        self.counts: Counter[str] = Counter()
        self.wrong: list[str] = []

    def count(self, **more: int) -> None:
        """Add to the counts."""
        with self._lock:
            self.counts.update(more)

    def read_on(self) -> None:
        """Read one chunk after the other, with a new connection now and then."""
        while not self.is_over:
            client = flight.connect(self._location)
            with suppress(_Left):
                while not self.is_over and random.random() < 0.9:
                    self._read_one(client)
            client.close()

    def _read_one(self, client: flight.FlightClient) -> None:
        chunk = random.choice(self.plan)
        try:
            stream = client.do_get(flight.Ticket(base64.b64decode(str(chunk["ticket"]))))
            if random.random() < _LEFT:
                self._leave(client, stream)
                return
            self._check(chunk, stream.read_all())
        except flight.FlightUnavailableError as busy:
            self._note(busy, "too_busy", "busy")
            time.sleep(random.uniform(0.05, 0.5))
        except pa.ArrowKeyError as gone:
            self._note(gone, "gone", "gone")
            time.sleep(0.05)
        except (pa.ArrowException, OSError) as failed:
            self._note(failed, None, "wrong")

    def _leave(self, client: flight.FlightClient, stream: flight.FlightStreamReader) -> None:
        with suppress(StopIteration):
            stream.read_chunk()
        way = random.choice(_WAYS)
        self.count(left=1, **{way: 1})
        if way == "cancel":
            stream.cancel()
        if way == "close":
            client.close()
            raise _Left

    def _check(self, chunk: dict[str, object], table: pa.Table) -> None:
        found = (table.num_rows, pc.sum(table.column(0)).as_py())
        if found != (chunk["rows"], chunk["sum"]):
            self._note(Exception(f"rows and sum {found}, not {chunk}"), None, "wrong")
        self.count(whole=1, rows=table.num_rows)

    def _note(self, met: Exception, expected: str | None, name: str) -> None:
        self.count(**{name: 1})
        if expected is None or expected not in str(met):
            with self._lock:
                self.wrong.append(f"{type(met).__name__}: {str(met)[:300]}")


def main() -> None:
    readers = Readers(sys.argv[2])
    threads = [threading.Thread(target=readers.read_on) for _ in range(int(sys.argv[1]))]
    for line in sys.stdin:
        readers.plan = json.loads(line)
        for each in threads:
            if each.ident is None:
                each.start()
    readers.is_over = True
    for each in threads:
        if each.ident is not None:
            each.join()
    print(json.dumps({"counts": readers.counts, "wrong": readers.wrong}))


if __name__ == "__main__":
    main()
