"""The worker nodes that there are, written by the supervisor and read by commands."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from staging.core.nodes import NodeState
from staging.local.folder import StateFolder


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """One node that is wanted or still there; its pid counts only with its start (runfile.py).

    A dead one is gone for good; one that waits to be started, again perhaps, is starting, and
    `why` says what was in its way.
    """

    name: str
    state: NodeState
    node_id: str | None = None
    pid: int | None = None
    started_at: float | None = None
    partitions: int = 0
    why: str = ""


def write_report(folder: StateFolder, nodes: Iterable[NodeStatus]) -> None:
    """Report all nodes."""
    folder.replace(folder.nodes_file, json.dumps([asdict(each) for each in nodes], indent=1))


def read_report(folder: StateFolder) -> dict[str, NodeStatus]:
    """Read what was last reported, by name."""
    if not folder.nodes_file.exists():
        return {}
    plain = json.loads(folder.nodes_file.read_text())
    found = [NodeStatus(**(each | {"state": NodeState(each["state"])})) for each in plain]
    return {each.name: each for each in found}
