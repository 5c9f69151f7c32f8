"""The connection of one process to Ray, made again whenever the cluster was lost."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import ray
import ray.exceptions
import structlog

from cluster.nodes import Capacity
from cluster.pulse_check import PulseCheck, port_answers
from staging.core.errors import ClusterUnavailable

NAMESPACE = "staging"
_LOOK_SECONDS = 0.25
_log = structlog.get_logger(__name__)


class RaySession:
    """Connects, watches, and connects again; Ray is disposable.

    `generation` is raised by each connection: what was started in an earlier one is lost.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.generation = 0
        self._check: PulseCheck | None = None
        self._connected = threading.Event()
        self._stopping = threading.Event()
        self._users = 0
        self._idle = threading.Condition()

    def start(self, on_connect: Callable[[], None]) -> None:
        """Connect and keep watch in a thread; `on_connect` runs after every connection."""
        threading.Thread(
            target=self._watch, args=(on_connect,), name="ray-watch", daemon=True
        ).start()

    def close(self) -> None:
        """Leave the cluster."""
        self._stopping.set()
        self._disconnect()

    def is_connected(self) -> bool:
        """Tell whether the cluster answered lately."""
        return self._connected.is_set()

    def wait_connected(self, seconds: float) -> bool:
        """Wait until the cluster answers, at most so long."""
        return self._connected.wait(seconds)

    @contextmanager
    def use(self) -> Iterator[None]:
        """Keep the connection from being closed during a few short calls.

        Raises ClusterUnavailable if there is none, or if Ray says that it lost the cluster.
        """
        with self._idle:
            if not self._connected.is_set():
                raise ClusterUnavailable()
            self._users += 1
        try:
            yield
        except (ray.exceptions.RaySystemError, ConnectionError) as lost:
            raise ClusterUnavailable() from lost
        finally:
            with self._idle:
                self._users -= 1
                self._idle.notify_all()

    def slots(self) -> int:
        """How many partitions the cluster can read at once: its CPUs, as last counted.

        Raises ClusterUnavailable without a cluster.
        """
        return self._capacity().cpus

    def node_memory(self) -> int:
        """How many bytes a task can be given at most: those of the largest node, 0 if none is left.

        Raises ClusterUnavailable without a cluster.
        """
        return self._capacity().node_memory

    def _capacity(self) -> Capacity:
        if self._check is None or not self._connected.is_set():
            raise ClusterUnavailable()
        return self._check.capacity

    def _watch(self, on_connect: Callable[[], None]) -> None:
        while not self._stopping.wait(_LOOK_SECONDS):
            if not self._connected.is_set():
                self._connect(on_connect)
            elif self._check is not None and not self._check.is_alive():
                _log.warning("ray_lost", address=self.address)
                self._disconnect()

    def _connect(self, on_connect: Callable[[], None]) -> None:
        if not port_answers(self.address):
            return
        try:
            ray.init(
                address=self.address,
                namespace=NAMESPACE,
                log_to_driver=False,
                logging_level=logging.WARNING,
                configure_logging=False,
            )
            self._check = PulseCheck(self.address)
            on_connect()
        except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as refused:
            _log.warning("ray_refused", address=self.address, error=type(refused).__name__)
            ray.shutdown()
            return
        self.generation += 1
        self._connected.set()
        _log.info("ray_connected", address=self.address, generation=self.generation)

    def _disconnect(self) -> None:
        with self._idle:
            self._connected.clear()
            self._idle.wait_for(lambda: self._users == 0, timeout=10)
        ray.shutdown()


def deadline_in(seconds: float) -> Callable[[], float]:
    """Give a function that tells how many seconds are left, never less than 0."""
    end = time.monotonic() + seconds
    return lambda: max(0.0, end - time.monotonic())
