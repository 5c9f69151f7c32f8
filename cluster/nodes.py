"""List the nodes of a Ray cluster and what each does: `python -m cluster.nodes ADDRESS`.

A process of its own: Ray aborts the one that asks when the head it knew was replaced.
"""

import json
import logging
import sys
from dataclasses import asdict, dataclass
from typing import Any

import ray
from ray._private.state import available_resources_per_node  # no public call tells it by node


@dataclass(frozen=True, slots=True)
class Node:
    """One node; `partitions` are being read on it now, a CPU each."""

    node_id: str
    address: str
    state: str
    cpus: int
    partitions: int


def nodes(address: str) -> list[Node]:
    """Give the living nodes and those that died, in the order of their ids."""
    ray.init(
        address=address, log_to_driver=False, logging_level=logging.ERROR, configure_logging=False
    )
    free = available_resources_per_node()  # type: ignore[no-untyped-call]
    listed: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    found = []
    for each in sorted(listed, key=lambda node: str(node["NodeID"])):
        cpus = int(each["Resources"].get("CPU", 0)) if each["Alive"] else 0
        unused = free.get(each["NodeID"], {}).get("CPU", 0) if each["Alive"] else 0
        state = "alive" if each["Alive"] else "dead"
        busy = cpus - int(unused)
        found.append(Node(each["NodeID"], each["NodeManagerAddress"], state, cpus, busy))
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps([asdict(each) for each in nodes(sys.argv[1])]))
