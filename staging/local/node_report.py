"""The worker nodes that there are, written by the supervisor and read by commands."""

import json
from dataclasses import asdict, dataclass

from staging.core.nodes import NodeState
from staging.local.folder import StateFolder


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """One node that is wanted or still there; its pid counts only with its start (runfile.py).

    `partitions` are those that a draining node still reads, None until they were counted.
    A dead one is gone for good; one that waits to be started, again perhaps, is starting, and
    `why` says what was in its way.
    """

    name: str
    state: NodeState
    node_id: str | None = None
    pid: int | None = None
    started_at: float | None = None
    partitions: int | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class NodeReport:
    """All nodes, and the ids of those that are gone: Ray takes 12 s to miss a killed one."""

    nodes: tuple[NodeStatus, ...] = ()
    former_ids: tuple[str, ...] = ()

    def of(self, name: str) -> NodeStatus | None:
        """Give what is reported of one node."""
        return next((each for each in self.nodes if each.name == name), None)


def write_report(folder: StateFolder, report: NodeReport) -> None:
    """Report anew."""
    folder.replace(folder.nodes_file, json.dumps(asdict(report), indent=1))


def read_report(folder: StateFolder) -> NodeReport:
    """Read what was last reported."""
    if not folder.nodes_file.exists():
        return NodeReport()
    plain = json.loads(folder.nodes_file.read_text())
    nodes = [NodeStatus(**(each | {"state": NodeState(each["state"])})) for each in plain["nodes"]]
    return NodeReport(tuple(nodes), tuple(plain["former_ids"]))
