"""The worker nodes that operators want, written by commands and read by the supervisor."""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import TextIO

from staging.local.errors import ClusterBusy
from staging.local.folder import StateFolder

_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Order:
    """One wanted node; from `drain_by` (seconds since the epoch) it is there no more."""

    name: str
    cpus: int
    drain_by: float | None = None


@dataclass(frozen=True, slots=True)
class Orders:
    """All orders, oldest node first; a number is given once in the life of a stack."""

    last_number: int = 0
    nodes: tuple[Order, ...] = ()

    def of(self, name: str) -> Order | None:
        """Give the order of one node; None: it is to end now."""
        return next((each for each in self.nodes if each.name == name), None)


def read_orders(folder: StateFolder) -> Orders:
    """Read what is wanted now."""
    if not folder.orders_file.exists():
        return Orders()
    plain = json.loads(folder.orders_file.read_text())
    return Orders(plain["last_number"], tuple(Order(**each) for each in plain["nodes"]))


def write_orders(folder: StateFolder, orders: Orders) -> None:
    """Want this from now on; to be called in a `turn` only."""
    folder.replace(folder.orders_file, json.dumps(asdict(orders), indent=1))


@contextlib.contextmanager
def turn(folder: StateFolder, seconds: float, say: Callable[[str], None]) -> Iterator[None]:
    """Be the only command that changes the cluster; the turn ends with the process.

    Raises ClusterBusy if another command is still at it after so many seconds.
    """
    with folder.orders_lock.open("a+") as lock:
        _await_lock(lock, time.monotonic() + seconds, say)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _await_lock(lock: TextIO, deadline: float, say: Callable[[str], None]) -> None:
    holder = ""
    while not _try_lock(lock):
        lock.seek(0)
        if holder != (holder := lock.read()):
            say(f"waits for the cluster command of pid {holder}")
        if time.monotonic() >= deadline:
            raise ClusterBusy(
                f"the cluster command of pid {holder} still changes the cluster; try again later, "
                "or wait for longer with --deadline"
            )
        time.sleep(_POLL_SECONDS)


def _try_lock(lock: TextIO) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
