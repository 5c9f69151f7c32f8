"""Ask Ray for its nodes, and to let one end, in processes of their own."""

import json
import subprocess
import sys
from typing import Any

from staging.core.errors import ClusterUnavailable
from staging.core.nodes import Node, NodeState
from staging.local.layout import Layout
from staging.local.ports import answers

_SECONDS = 30.0


def ray_nodes(layout: Layout, *, seconds: float = _SECONDS) -> list[Node]:
    """Give the head, then the other nodes by name, then the dead.

    Raises ClusterUnavailable if Ray does not answer in time.
    """
    listed: list[dict[str, Any]] = json.loads(_ask(layout, "cluster.nodes", seconds=seconds))
    return [Node(**(each | {"state": NodeState(each["state"])})) for each in listed]


def drain_ray_node(layout: Layout, node_id: str, within: float, *, seconds: float) -> None:
    """Start nothing more on a node and let it end, `within` so many seconds; idempotent.

    Raises ClusterUnavailable if Ray refuses or does not answer in time.
    """
    _ask(layout, "cluster.drain", node_id, f"{within:.3f}", seconds=seconds)


def end_ray_node(layout: Layout, node_id: str, *, seconds: float) -> None:
    """End a node now, with what it runs; idempotent.

    Raises ClusterUnavailable if Ray does not answer in time.
    """
    _ask(layout, "cluster.end", node_id, seconds=seconds)


def request_cpus(layout: Layout, cpus: int, *, seconds: float) -> None:
    """Ask Ray's own autoscaler for so many CPUs in all, until another number is asked for.

    Raises ClusterUnavailable if Ray does not answer in time.
    """
    _ask(layout, "cluster.request", str(cpus), seconds=seconds)


def _ask(layout: Layout, module: str, *words: str, seconds: float) -> bytes:
    if not answers(layout.ray_address):
        raise ClusterUnavailable(f"no Ray cluster answers at {layout.ray_address}")
    try:
        asked = subprocess.run(
            [sys.executable, "-m", module, layout.ray_address, *words],
            env=layout.ray_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds,
            check=True,
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as silent:
        raise ClusterUnavailable(
            f"the Ray cluster at {layout.ray_address} does not answer for its nodes; see its log: "
            "staging logs ray"
        ) from silent
    return asked.stdout
