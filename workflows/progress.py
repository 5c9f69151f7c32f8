"""When the jobs that are staged here last got on."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Progress:
    """The jobs whose partitions this worker has read now; thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._made_at: dict[str, float] = {}

    @contextmanager
    def of(self, job_id: str) -> Iterator[None]:
        """Watch a job for the length of the block."""
        self.made(job_id)
        try:
            yield
        finally:
            with self._lock:
                self._made_at.pop(job_id, None)

    def made(self, job_id: str) -> None:
        """Note that a partition of the job was published."""
        with self._lock:
            self._made_at[job_id] = self._clock()

    def longest_seconds(self) -> float:
        """Tell how long the job has waited that waits longest; 0 without jobs."""
        with self._lock:
            return max((self._clock() - at for at in self._made_at.values()), default=0.0)
