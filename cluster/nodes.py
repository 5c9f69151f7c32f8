"""List the nodes of a Ray cluster and what each does: `python -m cluster.nodes ADDRESS`.

A process of its own: Ray aborts the one that asks when the head it knew was replaced.  It asks
the head without joining the cluster, which takes a tenth of the time and leaves no trace.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ray._private.state import GlobalState  # no public call asks without joining
from ray._raylet import GcsClientOptions  # type: ignore[attr-defined]  # compiled

from staging.core.nodes import Node, NodeState

_HEAD_RESOURCE = "node:__internal_head__"
ON_THE_HEAD = {_HEAD_RESOURCE: 0.001}
"""What an actor needs that must be on the head, which is never drained."""


def nodes(address: str) -> list[Node]:
    """Give the head, then the other nodes in the order of their names, then the dead."""
    state = _ask(address)
    free = state.available_resources_per_node()  # type: ignore[no-untyped-call]
    draining = state.get_draining_nodes()
    listed = state.node_table()  # type: ignore[no-untyped-call]
    found = [_node(each, free.get(each["NodeID"], {}), draining) for each in listed]
    return sorted(found, key=_place)


@dataclass(frozen=True, slots=True)
class Capacity:
    """What takes new tasks: CPUs of all nodes together, bytes of memory of the largest one."""

    cpus: int
    node_memory: int


def capacity(state: GlobalState) -> Capacity:
    """Look at the nodes that take new tasks.

    Ray's own sum counts those of draining nodes, too.
    """
    draining = state.get_draining_nodes()
    listed = state.node_table()  # type: ignore[no-untyped-call]
    staying = [
        each["Resources"]
        for each in listed
        if each["Alive"] and each["NodeID"] not in draining and each["Resources"].get("CPU", 0) >= 1
    ]
    return Capacity(
        cpus=max(1, sum(int(each["CPU"]) for each in staying)),
        node_memory=max((int(each.get("memory", 0)) for each in staying), default=0),
    )


def _ask(address: str) -> GlobalState:
    state = GlobalState()  # type: ignore[no-untyped-call]
    options = GcsClientOptions.create(
        address, None, allow_cluster_id_nil=True, fetch_cluster_id_if_nil=False
    )
    state._initialize_global_state(options)
    return state


def _node(
    listed: Mapping[str, Any], free: Mapping[str, float], draining: Mapping[str, int]
) -> Node:
    node_id, cpus = listed["NodeID"], int(listed["Resources"].get("CPU", 0))
    state = NodeState.DEAD
    if listed["Alive"]:
        state = NodeState.DRAINING if node_id in draining else NodeState.ALIVE
    return Node(
        node_id=node_id,
        address=listed["NodeManagerAddress"],
        state=state,
        cpus=cpus,
        partitions=cpus - int(free.get("CPU", 0)),
        name=listed["NodeName"],
        is_head=_HEAD_RESOURCE in listed["Resources"],
    )


def _place(node: Node) -> tuple[bool, bool, int, str, str]:
    """Order node-9 before node-10, and nodes of one name by their ids."""
    is_dead = node.state is NodeState.DEAD
    return is_dead, not node.is_head, len(node.name), node.name, node.node_id or ""


if __name__ == "__main__":
    sys.stdout.write(json.dumps([asdict(each) for each in nodes(sys.argv[1])]))
