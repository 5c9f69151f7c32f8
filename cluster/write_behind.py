"""Read here, write in a thread beside: while one batch is encoded, the next is being read."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Condition
from typing import TypeVar

import pyarrow as pa

Written = TypeVar("Written")


def write_behind(
    batches: Iterable[pa.RecordBatch], write: Callable[[Iterator[pa.RecordBatch]], Written]
) -> Written:
    """Iterate over the batches in this thread while `write` takes them in another.

    The reader is ahead by one batch.  Whichever fails first ends the other, and its
    error is raised; a writer that was cut off by it has closed what it had open by then.
    """
    crossing = _Crossing()
    with ThreadPoolExecutor(1, thread_name_prefix="write") as beside:
        written = beside.submit(_write_all, write, crossing)
        try:
            for batch in batches:
                if not crossing.hand_over(batch):
                    break
        except BaseException:
            crossing.close(_ReadFailed())
            with suppress(_ReadFailed):
                written.result()
            raise
        crossing.close()
        return written.result()


def _write_all(
    write: Callable[[Iterator[pa.RecordBatch]], Written], crossing: "_Crossing"
) -> Written:
    try:
        return write(crossing.taken())
    finally:
        crossing.close()


class _ReadFailed(Exception):
    """Ends the writer when the reader has failed; never leaves this module."""


class _Crossing:
    """Where a batch goes from one thread to the other, one at a time."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._batch: pa.RecordBatch | None = None
        self._is_closed = False
        self._error: Exception | None = None

    def hand_over(self, batch: pa.RecordBatch) -> bool:
        """Leave a batch and wait until it is taken; False if nobody will."""
        with self._changed:
            self._batch = None if self._is_closed else batch
            self._changed.notify()
            self._changed.wait_for(lambda: self._batch is None or self._is_closed)
            return not self._is_closed

    def taken(self) -> Iterator[pa.RecordBatch]:
        """Give each batch when it comes, until the crossing is closed."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._batch is not None or self._is_closed)
                if self._error is not None:
                    raise self._error
                batch, self._batch = self._batch, None
                self._changed.notify()
            if batch is None:
                return
            yield batch

    def close(self, error: Exception | None = None) -> None:
        """Let nothing more cross; with an error, the batch that still waits is not given."""
        with self._changed:
            self._is_closed, self._error = True, self._error or error
            self._changed.notify_all()
