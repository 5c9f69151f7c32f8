"""Keep the cluster as large as what is left to read asks for, while operators want that."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property

from staging.catalog import Catalog
from staging.core.autoscale import (
    Course,
    Limits,
    OwnAutoscaler,
    ScalableNodes,
    readers,
    wanted_nodes,
)
from staging.core.nodes import Node, Scaling, scaling
from staging.local.autoscale_orders import (
    AutoscaleReport,
    read_limits,
    write_autoscale_report,
)
from staging.local.errors import ClusterBusy, in_a_line
from staging.local.layout import Layout
from staging.local.node_orders import turn
from staging.sources.connections import Connections

_ROUND_SECONDS = 2.0
_LOOK_SECONDS = 15.0
"""To ask Ray for its nodes costs a second of CPU; before a change they are asked for anyway."""
_STOP_SECONDS = 10.0


class Autoscaler:
    """A thread that orders nodes from the provider as operators do, in turns with them."""

    def __init__(self, layout: Layout, provider: ScalableNodes, say: Callable[[str], None]) -> None:
        self._folder = layout.folder
        self._layout = layout
        self._provider = provider
        self._say = say
        self._connections = Connections(layout.settings.connections.absolute())
        self._course = Course()
        self._seen: Sequence[Node] = ()
        self._looked_at = -_LOOK_SECONDS
        self._delegated: tuple[Limits, int] | None = None
        self._reported: AutoscaleReport | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="autoscaler", daemon=True)

    def start(self) -> None:
        """Begin; without limits it does nothing."""
        self._thread.start()

    def stop(self) -> None:
        """Order nothing more."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS)

    @cached_property
    def _catalog(self) -> Catalog:
        return Catalog.open(self._layout.catalog_url)

    def _run(self) -> None:
        while not self._stopping.wait(_ROUND_SECONDS):
            try:
                self._take_a_round()
            except Exception as failed:  # noqa: BLE001  # the edge of a thread: the next round may do
                self._complain(in_a_line(failed))

    def _take_a_round(self) -> None:
        if self._provider.has_steps():
            try:
                with turn(self._folder, 0, lambda _: None):
                    self._provider.pending()
            except ClusterBusy:
                return
        limits = read_limits(self._folder)
        if limits is None:
            self._rest()
            return
        nodes = self._nodes()
        staying = sum(each.stays for each in nodes)
        budgets = {each.name: each.max_connections for each in self._connections.all()}
        could_read = readers(self._catalog.backlogs(), budgets, limits.bytes_per_cpu)
        own = self._provider.own_autoscaler()
        if own is not None:
            self._delegate(own, could_read, limits)
            self._report(
                AutoscaleReport(could_read, staying, wanted_nodes(nodes, could_read, limits))
            )
            return
        if not self._course.wishes:
            self._steer(staying, limits)
        self._steer(wanted_nodes(nodes, could_read, limits), limits)
        wanted = min(self._course.largest, limits.most)
        if scaling(nodes, wanted) != Scaling():
            self._scale(wanted, limits)
        self._report(AutoscaleReport(could_read, staying, wanted))

    def _rest(self) -> None:
        """Forget what was wanted; Ray's own autoscaler must be told to rest, too."""
        own = self._provider.own_autoscaler() if self._delegated is not None else None
        if own is not None:
            with turn(self._folder, _STOP_SECONDS, lambda _: None):
                own.settle()
        self._course, self._reported, self._delegated = Course(), None, None

    def _delegate(self, own: OwnAutoscaler, cpus: int, limits: Limits) -> None:
        """Tell Ray's own autoscaler the limits and the CPUs, whenever they changed."""
        known = self._delegated
        if known is None or known[0] != limits:
            with turn(self._folder, _STOP_SECONDS, lambda _: None):
                own.keep_within(limits)
            self._say(f"autoscale  Ray has {limits.least} to {limits.most} nodes")
        if known != (limits, cpus):
            own.ask_for(cpus)
        self._delegated = limits, cpus

    def _steer(self, wanted: int, limits: Limits) -> None:
        self._course = self._course.steer(
            wanted, now=time.monotonic(), cool_down_seconds=limits.cool_down_seconds
        )

    def _nodes(self) -> Sequence[Node]:
        if time.monotonic() - self._looked_at >= _LOOK_SECONDS:
            self._look()
        return self._seen

    def _look(self) -> None:
        self._seen, self._looked_at = self._provider.nodes(), time.monotonic()

    def _scale(self, wanted: int, limits: Limits) -> None:
        """Order what is missing or too much now; leave it to the next round if a command is at it.

        An operator who has meanwhile changed the limits or switched them off is obeyed.
        """
        try:
            with turn(self._folder, 0, lambda _: None):
                if read_limits(self._folder) != limits:
                    return
                self._look()
                way = scaling(self._seen, wanted)
                if way.add:
                    self._provider.add(way.add, limits.cpus)
                    self._say(f"autoscale  adds {way.add} for {wanted} nodes")
                if way.drain:
                    self._provider.drain(way.drain, limits.drain_seconds)
                    names = ", ".join(each.name for each in way.drain)
                    self._say(f"autoscale  drains {names} for {wanted} nodes")
        except ClusterBusy:
            return
        self._look()

    def _complain(self, why: str) -> None:
        last = self._reported or AutoscaleReport(0, 0, 0)
        told = replace(last, why=why)
        if last.why != why:
            self._say(f"autoscale  {why}")
        try:
            self._report(told)
        except OSError:  # it is said at least
            self._reported = told

    def _report(self, told: AutoscaleReport) -> None:
        if told != self._reported:
            write_autoscale_report(self._folder, told)
            self._reported = told
