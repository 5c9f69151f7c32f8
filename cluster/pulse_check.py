"""Tell from outside whether the Ray cluster that we are connected to is still the same one.

Ray's own questions about nodes are not asked: when a new head answers under the old address, they
abort the asking process (Ray 2.60, `WrongClusterID` in GetAllNodeInfo).  The answer of an actor is
waited for instead, without blocking, and the head's port is tried.
"""

import contextlib
import socket
import time
from typing import Any

import ray
import ray.exceptions
from ray._private.state import state

from cluster.nodes import ON_THE_HEAD, Capacity, capacity

_EVERY_SECONDS = 3.0
_ANSWER_SECONDS = 30.0
_REFUSALS_LOST = 2
_SILENCES_LOST = 10


def port_answers(address: str) -> bool | None:
    """Tell whether the head listens; None if nothing can be said because it took too long."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=1):
            return True
    except ConnectionRefusedError:
        return False
    except OSError:
        return None


class PulseCheck:
    """Watches one connection; `capacity` is what took new tasks when the cluster last answered.

    An actor counts, for which Ray keeps one process: for a task beside those that read it would
    start one each time.  It is made at the start: an export to a head that is gone blocks.
    """

    def __init__(self, address: str) -> None:
        self._counter: Any = (  # ray gives a handle whose methods cannot be typed
            ray.remote(_Counter)
            .options(num_cpus=0, resources=ON_THE_HEAD, max_restarts=-1)
            .remote()
        )
        self.capacity: Capacity = ray.get(self._ask(), timeout=_ANSWER_SECONDS)
        self._address = address
        self._refusals = 0
        self._silences = 0
        self._asked: Any = None
        self._asked_at = time.monotonic()

    def is_alive(self) -> bool:
        """Look at the port and at the question that is under way; never blocks for over a second.

        A head whose port is refused is gone for good: a new one knows nothing of us.
        """
        answers = port_answers(self._address)
        self._refusals = self._refusals + 1 if answers is False else 0
        self._silences = self._silences + 1 if answers is None else 0
        if self._refusals >= _REFUSALS_LOST or self._silences >= _SILENCES_LOST:
            return False
        return self._answers()

    def _answers(self) -> bool:
        waited = time.monotonic() - self._asked_at
        if self._asked is None:
            if waited >= _EVERY_SECONDS:
                self._asked, self._asked_at = self._ask(), time.monotonic()
            return True
        ready, _ = ray.wait([self._asked], timeout=0)
        if not ready:
            return waited < _ANSWER_SECONDS
        with contextlib.suppress(ray.exceptions.RayError):  # what was lost is asked again
            self.capacity = ray.get(ready[0], timeout=1)
        self._asked, self._asked_at = None, time.monotonic()
        return True

    def _ask(self) -> Any:
        return self._counter.capacity.remote()


class _Counter:
    """Counts from inside of the cluster, where Ray's questions end nobody who matters."""

    def capacity(self) -> Capacity:
        return capacity(state)
