"""Bound how many streams of objects are open at once."""

import threading
import weakref
from types import TracebackType

from staging.core.errors import TooBusy


class Slots:
    """The places of open streams."""

    def __init__(self, count: int) -> None:
        self._free = threading.BoundedSemaphore(count)

    def take(self) -> "Slot":
        """Take a slot; raises TooBusy if none is free."""
        if not self._free.acquire(blocking=False):
            raise TooBusy("all streams are in use; try again in a moment")
        return Slot(self._free)


class Slot:
    """One open stream's place, given back once, at the latest when nobody holds it any more."""

    def __init__(self, free: threading.BoundedSemaphore) -> None:
        self._release = weakref.finalize(self, free.release)

    def release(self) -> None:
        """Give the place back; idempotent.  Who keeps this method keeps the place."""
        self._release()

    def __enter__(self) -> "Slot":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self.release()
