"""One worker node on this machine: a `ray start` of our own and the raylet below it."""

import contextlib
import sys
import time
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path

import psutil

from staging.local.child import Child, Program
from staging.local.layout import Layout
from staging.local.node_orders import Order

_OBJECT_STORE_BYTES = 80_000_000
"""Hardly more than the least that Ray takes: batches never pass through its object store."""
_FIRST_ADDRESS = IPv4Address("127.0.0.1")


@dataclass(slots=True)
class LocalNode:
    """A node from its start to its end; it has an id once it has joined the cluster."""

    name: str
    child: Child
    started_at: float
    begun_at: float = field(default_factory=time.monotonic)
    node_id: str | None = None
    raylet: psutil.Process | None = None
    partitions: int | None = None
    is_draining: bool = False

    def join(self, node_id: str) -> None:
        """Note that the cluster knows the node now, and which process it is."""
        self.node_id = node_id
        self.raylet = self._find_raylet()

    def is_running(self) -> bool:
        """Tell whether the node itself is there: a drained one leaves its `ray start` behind."""
        if self.child.poll() is not None:
            return False
        if self.raylet is None:
            return self.node_id is None
        with contextlib.suppress(psutil.NoSuchProcess):
            return bool(self.raylet.status() != psutil.STATUS_ZOMBIE and self.raylet.is_running())
        return False

    def _find_raylet(self) -> psutil.Process | None:
        with contextlib.suppress(psutil.NoSuchProcess):
            below = psutil.Process(self.child.pid).children(recursive=True)
            return next((each for each in below if each.name() == "raylet"), None)
        return None


def node_program(layout: Layout, order: Order) -> Program:
    """Run a worker node beside the head.

    Each has an address of its own on the loopback, so that a process of this machine which joins
    the cluster finds the head alone under its own address, never a node that may be drained.
    """
    number = int(order.name.rpartition("-")[2])
    options = {
        "--address": layout.ray_address,
        "--node-name": order.name,
        "--node-ip-address": _FIRST_ADDRESS + number,
        "--num-cpus": order.cpus,
        "--object-store-memory": _OBJECT_STORE_BYTES,
        "--include-log-monitor": "false",
        "--min-worker-port": 0,
        "--max-worker-port": 0,
    }
    flags = [f"{name}={value}" for name, value in options.items()]
    ray = str(Path(sys.executable).parent / "ray")
    return Program(
        [ray, "start", "--block", *flags, "--disable-usage-stats"],
        layout.folder.log("nodes"),
        layout.ray_environment(),
        cwd=layout.folder.root,
        grace_seconds=1,  # as the head's: what may end in peace was drained before
    )
