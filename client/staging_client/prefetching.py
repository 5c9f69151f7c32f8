"""Read chunks ahead of whoever consumes them, in order, within a bound."""

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pyarrow as pa

from staging_client.chunk import Chunk

_READERS = 4


class _Left(Exception):
    """The consumer is gone."""


class Room:
    """Bytes that may be on their way at once; one chunk always may, until the room is left."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._taken_bytes = 0
        self._is_left = False
        self._changed = threading.Condition()

    def take(self, byte_count: int) -> None:
        """Wait for room; raises _Left once the room is left."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_left or self._fits(byte_count))
            self.check_wanted()
            self._taken_bytes += byte_count

    def check_wanted(self) -> None:
        """Raise _Left once the room is left."""
        if self._is_left:
            raise _Left

    def give(self, byte_count: int) -> None:
        """Give room back."""
        with self._changed:
            self._taken_bytes -= byte_count
            self._changed.notify_all()

    def leave(self) -> None:
        """Say that nobody wants more; who waits for the next table then gets _Left, in a while."""
        with self._changed:
            self._is_left = True
            self._changed.notify_all()

    def _fits(self, byte_count: int) -> bool:
        return self._taken_bytes == 0 or self._taken_bytes + byte_count <= self._most_bytes


def read_ahead(
    chunks: Iterator[Chunk | None], read: Callable[[Chunk], pa.Table], room: Room
) -> Iterator[pa.Table]:
    """Give what `read` makes of each chunk, in order, and raise what `chunks` or `read` raises.

    As much Parquet as there is room for is read or waits to be taken.  Where `chunks`
    give None, none has come for a while: the room may have been left meanwhile.
    """
    pool = ThreadPoolExecutor(_READERS, thread_name_prefix="read-ahead")
    found: queue.SimpleQueue[tuple[Future[pa.Table], int] | Exception | None] = queue.SimpleQueue()

    def feed() -> None:
        try:
            for chunk in chunks:
                if chunk is None:
                    room.check_wanted()
                    continue
                room.take(chunk.view.byte_count)
                found.put((pool.submit(read, chunk), chunk.view.byte_count))
            found.put(None)
        except Exception as failed:  # noqa: BLE001  # the edge of a thread: the consumer raises it
            found.put(failed)

    threading.Thread(target=feed, name="read-ahead", daemon=True).start()
    try:
        while (each := found.get()) is not None:
            if isinstance(each, Exception):
                raise each
            future, byte_count = each
            yield future.result()
            room.give(byte_count)
    finally:
        room.leave()
        pool.shutdown(wait=False, cancel_futures=True)
