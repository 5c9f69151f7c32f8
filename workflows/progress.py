"""When the jobs that are staged here last got on."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_BETWEEN_RUNS_SECONDS = 60.0
"""A job that is tried again, or that goes on after its batch, is back within this time."""


class Progress:
    """The jobs whose partitions this worker reads now, or did a moment ago; thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._made_at: dict[str, float] = {}
        self._left_at: dict[str, float] = {}

    @contextmanager
    def of(self, job_id: str) -> Iterator[None]:
        """Watch a job for the length of the block; its time goes on if it was here just now."""
        with self._lock:
            self._forget()
            self._left_at.pop(job_id, None)
            self._made_at.setdefault(job_id, self._clock())
        try:
            yield
        finally:
            with self._lock:
                self._left_at[job_id] = self._clock()

    def made(self, job_id: str) -> None:
        """Note that a partition of the job was published."""
        with self._lock:
            self._made_at[job_id] = self._clock()

    def longest_seconds(self) -> float:
        """Tell how long the job has waited that waits longest; 0 without jobs."""
        with self._lock:
            self._forget()
            return max((self._clock() - at for at in self._made_at.values()), default=0.0)

    def _forget(self) -> None:
        """Let go of the jobs that went on elsewhere, rest, or have ended."""
        for job_id, left_at in list(self._left_at.items()):
            if self._clock() - left_at > _BETWEEN_RUNS_SECONDS:
                del self._left_at[job_id]
                self._made_at.pop(job_id, None)
