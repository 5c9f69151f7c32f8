"""Worker nodes on this machine, as children of the stack's supervisor."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace

from staging.core.nodes import Node, NodeState
from staging.local.errors import NodeStays, StackNotRunning
from staging.local.folder import StateFolder
from staging.local.node_orders import Order, Orders, read_orders, write_orders
from staging.local.node_report import NodeStatus, read_report
from staging.local.ray_nodes import ray_nodes
from staging.local.runfile import living_run
from staging.local.running import running_layout


class LocalNodes:
    """A NodeProvider; all but `nodes` and `pending` are to be called in a `turn`.

    Every method raises StackNotRunning without a stack, `nodes` ClusterUnavailable if Ray does
    not answer, and what changes something NodeStays where the nodes are not the stack's own.
    """

    def __init__(self, folder: StateFolder) -> None:
        self._folder = folder

    def check(self) -> None:
        """Raise NodeStays where the nodes are not this stack's own."""
        self._own_orders()

    def own_autoscaler(self) -> None:
        """Say that there is none: Ray's own would not know how to start a node here."""

    def nodes(self) -> list[Node]:
        """Give the head, the other living nodes, those that are to start, and the dead."""
        former = read_report(self._folder).former_ids
        listed = [
            replace(each, state=NodeState.DEAD, cpus=0, partitions=0)
            if each.node_id in former
            else each
            for each in ray_nodes(running_layout(self._folder))
        ]
        living = [each for each in listed if each.state is not NodeState.DEAD]
        present = {each.name for each in living}
        coming = [
            Node(None, "", NodeState.STARTING, order.cpus, 0, order.name)
            for order in self._orders().nodes
            if order.drain_by is None and order.name not in present
        ]
        return living + coming + [each for each in listed if each.state is NodeState.DEAD]

    def add(self, count: int, cpus: int) -> list[str]:
        """Order more nodes; the supervisor starts one after the other."""
        orders = self._own_orders()
        numbers = range(orders.last_number + 1, orders.last_number + count + 1)
        more = [Order(f"node-{number}", cpus) for number in numbers]
        self._write(Orders(orders.last_number + count, (*orders.nodes, *more)))
        return [each.name for each in more]

    def drain(self, nodes: Sequence[Node], seconds: float) -> None:
        """Order the nodes to take nothing more, and to end; a deadline that runs is kept."""
        orders = self._own_orders()
        drain_by = time.time() + seconds
        leaving = self._names(orders, nodes)
        kept = [
            replace(each, drain_by=min(drain_by, each.drain_by or drain_by))
            if each.name in leaving
            else each
            for each in orders.nodes
        ]
        self._write(replace(orders, nodes=tuple(kept)))

    def remove(self, nodes: Sequence[Node]) -> None:
        """Order the nodes to end now."""
        orders = self._own_orders()
        leaving = self._names(orders, nodes)
        kept = [each for each in orders.nodes if each.name not in leaving]
        self._write(replace(orders, nodes=tuple(kept)))

    def pending(self) -> list[str]:
        """Compare the orders with what the supervisor reports."""
        report = read_report(self._folder)
        orders = self._orders()
        lines = [_pending(order, report.of(order.name)) for order in orders.nodes]
        ending = [
            f"{each.name} to end"
            for each in report.nodes
            if orders.of(each.name) is None and each.state is not NodeState.DEAD
        ]
        return [line for line in lines if line] + ending

    def has_steps(self) -> bool:
        """Say no: the supervisor carries all orders out."""
        return False

    def _orders(self) -> Orders:
        if living_run(self._folder) is None:
            raise StackNotRunning()
        return read_orders(self._folder)

    def _own_orders(self) -> Orders:
        """Give the orders where they are carried out, without those of nodes that are gone."""
        layout = running_layout(self._folder)
        if "ray" in layout.options.existing:
            raise NodeStays(
                f"the Ray cluster at {layout.ray_address} is not this stack's own; add and remove "
                "its nodes with what started it"
            )
        orders, report = read_orders(self._folder), read_report(self._folder)
        gone = {each.name for each in report.nodes if each.state is NodeState.DEAD}
        kept = [each for each in orders.nodes if each.drain_by is None or each.name not in gone]
        return replace(orders, nodes=tuple(kept))

    def _write(self, orders: Orders) -> None:
        write_orders(self._folder, orders)

    @staticmethod
    def _names(orders: Orders, nodes: Iterable[Node]) -> set[str]:
        """Give the names of living nodes; raises NodeStays for one that was not ordered."""
        names = {each.name for each in nodes if each.state is not NodeState.DEAD}
        for name in names:
            if orders.of(name) is None:
                raise NodeStays(f"{name} was not started by this stack; end it where it runs")
        return names


def _pending(order: Order, status: NodeStatus | None) -> str | None:
    state = status.state if status is not None else None
    why = f" ({status.why})" if status is not None and status.why else ""
    if order.drain_by is None:
        return None if state is NodeState.ALIVE else f"{order.name} to start{why}"
    if state is NodeState.DEAD:
        return None
    if status is None or status.partitions is None:
        return f"{order.name} to drain"
    count = status.partitions
    return f"{order.name} to end: it reads {count} partition{'' if count == 1 else 's'}"
