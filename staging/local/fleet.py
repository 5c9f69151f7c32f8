"""Keep the worker nodes of the stack's own Ray as they are ordered: start, drain and end them."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import psutil

from staging.core.errors import ClusterUnavailable
from staging.core.nodes import NodeState
from staging.local.child import start
from staging.local.errors import in_a_line
from staging.local.layout import Layout
from staging.local.local_node import LocalNode, node_program
from staging.local.node_orders import Order, Orders, read_orders, write_orders
from staging.local.node_report import NodeReport, NodeStatus, write_report
from staging.local.orphans import end_orphans
from staging.local.ray_nodes import drain_ray_node, ray_nodes
from staging.local.runfile import started_at

_TURN_SECONDS = 0.2
_LOOK_SECONDS = 1.0
_ASK_SECONDS = 10.0
_START_SECONDS = 60.0
_LONGEST_BACKOFF_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class _Trouble:
    """Why a node ended that should not, how often it did, and when it is started again."""

    why: str
    times: int
    retry_at: float


class Fleet:
    """A thread that carries out the orders; nodes start one after the other.

    Two nodes that start at the same moment take one socket's name, and one of them fails after
    30 s (Ray 2.60).  `head_pid` gives the head's pid while it does its work, else None.
    """

    def __init__(
        self, layout: Layout, head_pid: Callable[[], int | None], say: Callable[[str], None]
    ) -> None:
        self._layout = layout
        self._folder = layout.folder
        self._head_pid = head_pid
        self._say = say
        self._nodes: dict[str, LocalNode] = {}
        self._troubles: dict[str, _Trouble] = {}
        self._former_ids: set[str] = set()
        self._lost_head: int | None = None
        self._looked_at = 0.0
        self._reported: NodeReport | None = None
        self._changing = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fleet", daemon=True)

    def start(self) -> None:
        """Begin without worker nodes, whatever was ordered in an earlier life of the stack."""
        write_orders(self._folder, Orders())
        self._thread.start()

    def stop(self) -> None:
        """End all nodes and start none again."""
        self._stopping.set()
        self.end_all()
        if self._thread.is_alive():
            self._thread.join(_ASK_SECONDS)

    def end_all(self) -> None:
        """End all nodes until another head works: Ray starts none beside a living node."""
        with self._changing:
            self._lost_head = self._head_pid()
            ended = [self._forget(each) for each in list(self._nodes.values())]
            if ended:
                with ThreadPoolExecutor(len(ended)) as together:
                    list(together.map(lambda node: node.child.stop(), ended))
                end_orphans()

    def _run(self) -> None:
        while not self._stopping.wait(_TURN_SECONDS):
            try:
                self._take_a_turn()
            except Exception as failed:  # noqa: BLE001  # the edge of a thread: the next turn may do
                self._say(f"the nodes are not looked after: {in_a_line(failed)}")
                self._stopping.wait(_LOOK_SECONDS)

    def _take_a_turn(self) -> None:
        orders = read_orders(self._folder)
        for node in list(self._nodes.values()):
            self._steer(node, orders.of(node.name))
        self._start_next(orders)
        self._look()
        self._report(orders)

    def _steer(self, node: LocalNode, order: Order | None) -> None:
        is_over = order is None or (order.drain_by is not None and order.drain_by <= time.time())
        if order is None or is_over or not node.is_running():
            self._end(node)
            if order is not None and order.drain_by is None:
                self._note_trouble(node.name, "it ended")
        elif order.drain_by is not None and not node.is_draining:
            self._drain(node, order.drain_by)
        elif node.node_id is None and time.monotonic() - node.begun_at > _START_SECONDS:
            self._end(node)
            self._note_trouble(node.name, f"it did not join the cluster in {_START_SECONDS:.0f} s")

    def _drain(self, node: LocalNode, drain_by: float) -> None:
        if node.node_id is None:
            self._end(node)
            return
        try:
            left = drain_by - time.time()
            drain_ray_node(self._layout, node.node_id, left, seconds=_ASK_SECONDS)
        except ClusterUnavailable as refused:
            self._say(f"{node.name} does not drain yet: {refused.detail}")
        else:
            node.is_draining, node.partitions = True, None
            self._say(f"draining   {node.name}")

    def _end(self, node: LocalNode) -> None:
        with self._changing:
            if self._nodes.get(node.name) is node:
                self._forget(node)
                node.child.stop()
                end_orphans()
                self._say(f"ended      {node.name}")

    def _forget(self, node: LocalNode) -> LocalNode:
        if node.node_id is not None:
            self._former_ids.add(node.node_id)
        return self._nodes.pop(node.name)

    def _note_trouble(self, name: str, why: str) -> None:
        last = self._troubles.get(name)
        times = last.times + 1 if last is not None else 1
        delay = min(_LONGEST_BACKOFF_SECONDS, 0.5 * 2**times)
        told = f"{why}; see {self._folder.log('nodes')}"
        self._troubles[name] = _Trouble(told, times, time.monotonic() + delay)
        self._say(f"{name}: {told}")

    def _start_next(self, orders: Orders) -> None:
        if any(each.node_id is None for each in self._nodes.values()):
            return
        due = next((each for each in orders.nodes if self._is_due(each)), None)
        if due is None:
            return
        with self._changing:
            if self._may_start():
                self._start(due)

    def _start(self, order: Order) -> None:
        try:
            child = start(node_program(self._layout, order))
            self._nodes[order.name] = LocalNode(order.name, child, started_at(child.pid))
        except (OSError, psutil.NoSuchProcess) as refused:
            self._note_trouble(order.name, str(refused))
        else:
            self._say(f"starting   {order.name}")

    def _is_due(self, order: Order) -> bool:
        trouble = self._troubles.get(order.name)
        is_early = trouble is not None and trouble.retry_at > time.monotonic()
        return order.drain_by is None and order.name not in self._nodes and not is_early

    def _may_start(self) -> bool:
        head = self._head_pid()
        return head is not None and head != self._lost_head and not self._stopping.is_set()

    def _look(self) -> None:
        """Ask Ray which nodes have joined and what the draining ones still read."""
        nodes = list(self._nodes.values())
        is_calm = all(each.node_id is not None and not each.is_draining for each in nodes)
        if is_calm or time.monotonic() - self._looked_at < _LOOK_SECONDS:
            return
        try:
            seen = ray_nodes(self._layout, seconds=_ASK_SECONDS)
        except ClusterUnavailable:  # its keeper sees to that
            return
        finally:
            self._looked_at = time.monotonic()
        fresh = {
            each.name: each
            for each in seen
            if each.state is not NodeState.DEAD and each.node_id not in self._former_ids
        }
        for node in nodes:
            found = fresh.get(node.name)
            if found is None or found.node_id is None:
                continue
            node.partitions = found.partitions
            if node.node_id is None:
                node.join(found.node_id)
                self._troubles.pop(node.name, None)
                self._say(f"alive      {node.name}  {time.monotonic() - node.begun_at:.1f} s")

    def _report(self, orders: Orders) -> None:
        statuses = tuple(self._status(each) for each in orders.nodes)
        told = NodeReport(statuses, tuple(sorted(self._former_ids)))
        if told != self._reported:
            write_report(self._folder, told)
            self._reported = told

    def _status(self, order: Order) -> NodeStatus:
        node, trouble = self._nodes.get(order.name), self._troubles.get(order.name)
        why = trouble.why if trouble is not None else ""
        if node is None:
            is_gone = order.drain_by is not None
            return NodeStatus(
                order.name, NodeState.DEAD if is_gone else NodeState.STARTING, why=why
            )
        return NodeStatus(
            order.name,
            _state(node),
            node.node_id,
            node.child.pid,
            node.started_at,
            node.partitions,
            why,
        )


def _state(node: LocalNode) -> NodeState:
    if node.node_id is None:
        return NodeState.STARTING
    return NodeState.DRAINING if node.is_draining else NodeState.ALIVE
