"""Change the cluster: one plan, shown, ordered, and waited for."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import typer

from staging.core.nodes import Node, NodeProvider, NodeState
from staging.local.autoscale_orders import read_limits
from staging.local.errors import AutoscaleIsOn, NodesLate, NodeStays, UnknownNode
from staging.sources.nearest import nearest_names

_POLL_SECONDS = 0.2
_CUT_OFF_SECONDS = 30.0
"""What is cut off at the deadline takes a moment to end."""
_SHORTEST_ID = 4


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be done to the cluster, in how many seconds, and how it is told."""

    add: int = 0
    cpus: int = 1
    drain: Sequence[Node] = ()
    remove: Sequence[Node] = ()


@dataclass(frozen=True, slots=True)
class Manner:
    """How a command does its change: for real or not, in what time, and how it tells of it.

    What says how large the cluster is to be (`is_sizing`) is refused while the autoscaler is on.
    """

    deadline: float
    is_dry: bool
    as_json: bool
    is_sizing: bool = False


def change(manner: Manner, plan: Callable[[Sequence[Node]], Change]) -> None:
    """Plan from the nodes of now, show the plan, carry it out, and show the nodes.

    Raises ClusterBusy if another command is at it for too long, NodesLate if the nodes are,
    AutoscaleIsOn.
    """
    with _provider(manner) as provider:
        planned = plan(provider.nodes())
        for line in _told(planned):
            say(line)
        if not manner.is_dry:
            _order(provider, planned, manner.deadline)
            _wait(provider, manner.deadline + (_CUT_OFF_SECONDS if planned.drain else 0))
        _show(planned, provider.nodes(), manner)


def find_node(nodes: Sequence[Node], word: str) -> Node:
    """Find a node by its name, its id, or the beginning of its id; the living before the dead.

    Raises UnknownNode, also if several ids begin so.
    """
    named = [each for each in nodes if word in (each.name, each.node_id)]
    begun = [each for each in nodes if each.node_id and each.node_id.startswith(word)]
    if named or (len(begun) == 1 and len(word) >= _SHORTEST_ID):
        return (named or begun)[0]
    if begun:
        raise UnknownNode(f"{len(begun)} ids begin with {word!r}; give more of it, or a name")
    known = [each.name for each in nodes] + [each.node_id for each in nodes if each.node_id]
    raise UnknownNode(
        f"the cluster has no node {word!r}{nearest_names(word, known)}; see: staging cluster nodes"
    )


def removable_node(nodes: Sequence[Node], word: str) -> Node:
    """Find a node that may leave; raises UnknownNode, NodeStays for the head."""
    found = find_node(nodes, word)
    if found.is_head and found.state is not NodeState.DEAD:
        raise NodeStays(
            "the head cannot leave: all nodes are lost without it; to stop the stack: staging down"
        )
    return found


def say(line: str) -> None:
    """Tell how it goes on standard error: standard output is for what is found."""
    typer.echo(line, err=True)


@contextmanager
def _provider(manner: Manner) -> Iterator[NodeProvider]:
    from staging.cli.stack import state_folder
    from staging.local.node_orders import turn
    from staging.local.providers import node_provider
    from staging.local.running import running_layout

    layout = running_layout(state_folder())
    with turn(layout.folder, manner.deadline, say):
        if manner.is_sizing and read_limits(layout.folder) is not None:
            raise AutoscaleIsOn()
        yield node_provider(layout)


def _told(planned: Change) -> Iterator[str]:
    if planned.add:
        yield f"adds {planned.add} node{'s' if planned.add > 1 else ''}, CPUs each: {planned.cpus}"
    for verb, nodes in (("drains", planned.drain), ("removes", planned.remove)):
        for each in nodes:
            yield f"{verb} {each.name}, which reads {each.partitions} now"
    if not (planned.add or planned.drain or planned.remove):
        yield "nothing to do"


def _order(provider: NodeProvider, planned: Change, seconds: float) -> None:
    if planned.add:
        provider.add(planned.add, planned.cpus)
    if planned.drain:
        provider.drain(planned.drain, seconds)
    if planned.remove:
        provider.remove(planned.remove)


def _wait(provider: NodeProvider, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    shown: list[str] = []
    while left := provider.pending():
        for line in left:
            if line not in shown:
                say(f"waits for {line}")
        shown = left
        if time.monotonic() > deadline:
            raise NodesLate(
                f"after {seconds:.0f} s the cluster still waits for {'; '.join(left)}; "
                "it goes on: staging cluster nodes"
            )
        time.sleep(_POLL_SECONDS)


def _show(planned: Change, nodes: Sequence[Node], manner: Manner) -> None:
    from staging.cli.cluster import plain_node, show_nodes

    if not manner.as_json:
        show_nodes(nodes)
        return
    leaving = [*planned.drain, *planned.remove]
    told = {
        "is_dry_run": manner.is_dry,
        "added": planned.add,
        "removed": [each.node_id or each.name for each in leaving],
        "nodes": [plain_node(each) for each in nodes],
    }
    typer.echo(json.dumps(told))
