"""The connection of one process to Ray, made again whenever the cluster was lost."""

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import ray
import ray.exceptions
import structlog

from staging.core.errors import ClusterUnavailable

NAMESPACE = "staging"
_PROBE_SECONDS = 2.0
_PROBES_LOST = 3
_PROBE_TIMEOUT_SECONDS = 5.0
_log = structlog.get_logger(__name__)


class RaySession:
    """Connects, watches, and connects again; Ray is disposable.

    `generation` is raised by each connection: what was started in an earlier one is lost.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.generation = 0
        self._slots = 1
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
        """How many partitions the cluster can read at once: its CPUs, as last seen.

        Raises ClusterUnavailable without a cluster.
        """
        if not self._connected.is_set():
            raise ClusterUnavailable()
        return self._slots

    def _watch(self, on_connect: Callable[[], None]) -> None:
        lost = 0
        while not self._stopping.is_set():
            if not self._connected.is_set():
                self._connect(on_connect)
                lost = 0
            elif self._probe():
                lost = 0
            else:
                lost += 1
            if lost >= _PROBES_LOST:
                _log.warning("ray_lost", address=self.address)
                self._disconnect()
                continue
            self._stopping.wait(_PROBE_SECONDS if self._connected.is_set() else 0.5)

    def _connect(self, on_connect: Callable[[], None]) -> None:
        if not _answers(self.address):
            return
        try:
            ray.init(
                address=self.address,
                namespace=NAMESPACE,
                log_to_driver=False,
                logging_level=logging.WARNING,
                configure_logging=False,
            )
            self.generation += 1
            self._slots = _cpus()
            on_connect()
        except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as refused:
            _log.warning("ray_refused", address=self.address, error=type(refused).__name__)
            ray.shutdown()
            return
        self._connected.set()
        _log.info("ray_connected", address=self.address, generation=self.generation)

    def _disconnect(self) -> None:
        with self._idle:
            self._connected.clear()
            self._idle.wait_for(lambda: self._users == 0, timeout=10)
        ray.shutdown()

    def _probe(self) -> bool:
        """Ask for this process's own node; a cluster started anew does not know it."""
        if not _answers(self.address):
            return False
        found: list[int] = []
        asked = threading.Thread(target=lambda: found.append(_cpus()), daemon=True)
        asked.start()
        asked.join(timeout=_PROBE_TIMEOUT_SECONDS)
        self._slots = found[0] if found else 0
        return self._slots > 0


def _cpus() -> int:
    """Count the CPUs of the living nodes; 0 if this process's own node is not among them."""
    own = ray.get_runtime_context().get_node_id()
    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]  # ray has no types here
    living = [node for node in nodes if node["Alive"]]
    if own not in {node["NodeID"] for node in living}:
        return 0
    return max(1, int(sum(node["Resources"].get("CPU", 0) for node in living)))


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=1):
            return True
    except OSError:
        return False


def deadline_in(seconds: float) -> Callable[[], float]:
    """Give a function that tells how many seconds are left, never less than 0."""
    end = time.monotonic() + seconds
    return lambda: max(0.0, end - time.monotonic())
