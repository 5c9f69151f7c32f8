"""The nodes of a cluster, what starts and ends them, and what it takes to have so many."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class NodeState(StrEnum):
    """What a node is doing; a draining one ends as soon as the partitions that it reads are."""

    STARTING = "starting"
    ALIVE = "alive"
    DRAINING = "draining"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Node:
    """One node; `partitions` are being read on it now, a CPU each.

    `node_id` is the cluster's own and None until the node has joined; a node that is started
    again keeps its name and gets another id.
    """

    node_id: str | None
    address: str
    state: NodeState
    cpus: int
    partitions: int
    name: str
    is_head: bool = False

    @property
    def stays(self) -> bool:
        """Tell whether the node is to be there for longer, now or soon."""
        return self.state in (NodeState.STARTING, NodeState.ALIVE)


class NodeProvider(Protocol):
    """What starts and ends the nodes of a cluster.

    `add`, `drain` and `remove` give an order and return; `pending` tells what is left to do of
    all orders.  What was ordered already is not ordered twice.
    """

    def check(self) -> None:
        """Raise what keeps the nodes from being changed; nothing is asked of them."""
        ...

    def nodes(self) -> list[Node]:
        """Give the head, then the others, then the dead."""
        ...

    def add(self, count: int, cpus: int) -> list[str]:
        """Start so many more nodes of so many CPUs each; give their names."""
        ...

    def drain(self, nodes: Sequence[Node], seconds: float) -> None:
        """Start nothing more on the nodes; end each when it reads nothing, at the latest then."""
        ...

    def remove(self, nodes: Sequence[Node]) -> None:
        """End the nodes now; what they read is cut off."""
        ...

    def pending(self) -> list[str]:
        """Say what is waited for, a line a node; nothing when all orders are carried out."""
        ...


def readers_and_head(nodes: Sequence[Node]) -> list[Node]:
    """Leave out the living nodes that can read nothing, such as what a worker joins Ray by."""
    return [each for each in nodes if each.cpus or each.is_head or each.state is NodeState.DEAD]


@dataclass(frozen=True, slots=True)
class Scaling:
    """What makes a cluster as large as is wanted."""

    add: int = 0
    drain: tuple[Node, ...] = ()


def scaling(nodes: Sequence[Node], wanted: int) -> Scaling:
    """Plan the way to so many nodes in all, the head included.

    The nodes that read least go first, the youngest among equals; `nodes` is oldest first.
    """
    staying = [each for each in nodes if each.stays]
    surplus = len(staying) - wanted
    if surplus <= 0:
        return Scaling(add=-surplus)
    spare = [each for each in reversed(staying) if not each.is_head]
    return Scaling(drain=tuple(sorted(spare, key=lambda each: each.partitions)[:surplus]))
