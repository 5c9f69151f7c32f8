"""Tell which tasks have been silent for too long, also those that never said a word."""

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass


@dataclass(slots=True)
class _Heard:
    needs: Hashable
    since: float | None = None
    """When it was last heard of, or when one after it was; None while it may wait for its turn."""
    has_spoken: bool = False


class Silence:
    """Tasks in the order in which they were handed to Ray.

    A task that waits for a CPU is silent by right.  But Ray starts tasks of one scheduling class,
    that is of one function and the same needs, in that order: so a task that never spoke has
    begun too, and hangs, if one that was handed over later spoke long ago.
    """

    def __init__(self, most_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most_seconds = most_seconds
        self._clock = clock
        self._tasks: dict[Hashable, _Heard] = {}

    def hand_over(self, task: Hashable, needs: Hashable) -> None:
        """Note a task that may wait from now on."""
        self._tasks[task] = _Heard(needs)

    def hear(self, task: Hashable) -> None:
        """Note a sign of life."""
        heard = self._tasks[task]
        heard.since = now = self._clock()
        if heard.has_spoken:
            return
        heard.has_spoken = True
        for other, before in self._tasks.items():
            if other == task:
                return
            if before.needs == heard.needs and before.since is None:
                before.since = now

    def forget(self, task: Hashable) -> None:
        """Note that a task has ended."""
        del self._tasks[task]

    def too_long(self) -> list[Hashable]:
        """List the tasks that are to be given up."""
        limit = self._clock() - self._most_seconds
        return [
            task
            for task, heard in self._tasks.items()
            if heard.since is not None and heard.since < limit
        ]
