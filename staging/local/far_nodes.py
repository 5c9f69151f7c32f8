"""Worker nodes on other machines, which something else starts and ends: a launcher."""

import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Protocol

from staging.core.autoscale import Limits, OwnAutoscaler
from staging.core.nodes import Node, NodeState, readers_and_head
from staging.local.launch_wish import LaunchWish, Leaving, read_wish, write_wish
from staging.local.layout import Layout
from staging.local.ray_nodes import drain_ray_node, end_ray_node, ray_nodes, request_cpus

_ASK_SECONDS = 30.0
_LEAST_IDLE_MINUTES = 0.1


class Launcher(Protocol):
    """What starts workers on other machines, and ends them, when it is told how many there are.

    Every method raises InvalidValue or NodeStays where the settings name no such cluster,
    ProviderUnavailable where the launcher does not do it.
    """

    def least_workers(self) -> int:
        """Give how many workers its own configuration asks for."""
        ...

    def has_autoscaler(self) -> bool:
        """Tell whether Ray's own autoscaler can have the say between the fewest and the most."""
        ...

    def resize(
        self,
        least: int,
        most: int,
        *,
        leaving: Sequence[str] = (),
        idle_minutes: float | None = None,
    ) -> None:
        """Have from `least` to `most` workers; `leaving` are the addresses of those that go."""
        ...


class FarNodes:
    """A NodeProvider, and an OwnAutoscaler where Ray runs one for the launcher.

    Every method but `check` raises ClusterUnavailable if Ray does not answer, and what its
    launcher raises.
    """

    def __init__(self, layout: Layout, launcher: Launcher) -> None:
        self._layout = layout
        self._folder = layout.folder
        self._launcher = launcher

    def check(self) -> None:
        """Raise what the launcher raises where there is no cluster of its kind."""
        self._launcher.least_workers()

    def own_autoscaler(self) -> OwnAutoscaler | None:
        """Give itself where Ray's own autoscaler can have the say."""
        return self if self._launcher.has_autoscaler() else None

    def nodes(self) -> list[Node]:
        """Give the head, the workers, those that are to be started, and the dead."""
        listed = self._seen()
        living = [each for each in listed if not _is_dead(each)]
        cpus = min((each.cpus for each in living if not each.is_head), default=1)
        coming = [
            Node(None, "", NodeState.STARTING, cpus, 0, f"coming-{number + 1}")
            for number in range(self._missing(living))
        ]
        return living + coming + [each for each in listed if _is_dead(each)]

    def add(self, count: int, cpus: int) -> list[str]:
        """Let more workers be started; their machines say how many CPUs they have."""
        del cpus
        wish = self._wish()
        wanted = self._workers(wish) + count
        self._launcher.resize(wanted, wanted)
        write_wish(self._folder, replace(wish, workers=wanted))
        return [f"coming-{number + 1}" for number in range(count)]

    def drain(self, nodes: Sequence[Node], seconds: float) -> None:
        """Let the nodes take nothing more; `pending` does the rest.

        The cluster shrinks by them, unless Ray's own autoscaler has the say: it replaces them.
        """
        wish = self._wish()
        told = {each.node_id for each in wish.leaving}
        fresh = [each for each in nodes if not _is_dead(each) and each.node_id not in told]
        wanted = None
        if wish.workers is not None:
            wanted = max(0, self._workers(wish) - sum(each.stays for each in fresh))
        end_by = time.time() + seconds
        hurried = _hurried(wish.leaving, {each.node_id for each in nodes}, end_by)
        leaving = [
            Leaving(each.node_id, each.name, each.address, end_by)
            for each in fresh
            if each.node_id is not None
        ]
        for each in leaving:
            drain_ray_node(self._layout, each.node_id, seconds, seconds=_ASK_SECONDS)
        if wanted is not None and not (leaving or wish.leaving):
            self._launcher.resize(wanted, wanted, leaving=self._lost()[: len(fresh)])
        write_wish(self._folder, LaunchWish(wanted, (*hurried, *leaving)))

    def remove(self, nodes: Sequence[Node]) -> None:
        """Let the nodes end now; `pending` does the rest."""
        self.drain(nodes, 0)

    def pending(self) -> list[str]:
        """End what is late; tell the launcher the smaller number when all that leave have ended.

        Told too late, it would start an ended worker again; too early, it would choose one itself.
        """
        wish = read_wish(self._folder)
        if wish is None:
            return []
        living = [each for each in self._seen() if not _is_dead(each)]
        by_id = {each.node_id: each for each in living}
        ending = [each for each in wish.leaving if each.node_id in by_id]
        for each in ending:
            if each.end_by <= time.time():
                end_ray_node(self._layout, each.node_id, seconds=_ASK_SECONDS)
        if wish.leaving and not ending:
            if wish.workers is not None:
                gone = [each.address for each in wish.leaving]
                self._launcher.resize(wish.workers, wish.workers, leaving=gone)
            write_wish(self._folder, replace(wish, leaving=()))
        told = [_told(each.name, by_id[each.node_id].partitions) for each in ending]
        starting = self._missing(living)
        if starting:
            told.append(f"{starting} worker{'s' if starting > 1 else ''} to start")
        return told

    def has_steps(self) -> bool:
        """Tell whether nodes are on their way out, as they are when a command was killed, too."""
        wish = read_wish(self._folder)
        return wish is not None and bool(wish.leaving)

    def keep_within(self, limits: Limits) -> None:
        """Give Ray's own autoscaler the say; the cool-down is how long a node is idle."""
        idle = max(limits.cool_down_seconds / 60, _LEAST_IDLE_MINUTES)
        self._launcher.resize(limits.least - 1, limits.most - 1, idle_minutes=idle)
        write_wish(self._folder, replace(self._wish(), workers=None))

    def ask_for(self, cpus: int) -> None:
        """Want so many CPUs in all until another number is wanted."""
        request_cpus(self._layout, cpus, seconds=_ASK_SECONDS)

    def settle(self) -> None:
        """Take the say from Ray's own autoscaler; the workers stay as many as they are."""
        staying = sum(each.stays for each in self.nodes() if not each.is_head)
        self._launcher.resize(staying, staying)
        self.ask_for(0)
        write_wish(self._folder, replace(self._wish(), workers=staying))

    def _seen(self) -> list[Node]:
        return readers_and_head(ray_nodes(self._layout))

    def _wish(self) -> LaunchWish:
        return read_wish(self._folder) or LaunchWish(self._launcher.least_workers())

    def _workers(self, wish: LaunchWish) -> int:
        """Count the workers that are or shall be there, without those that leave."""
        staying = sum(each.stays for each in self.nodes() if not each.is_head)
        return max(staying, wish.workers or 0)

    def _lost(self) -> list[str]:
        """Give the addresses of machines that were nodes and are none now."""
        seen = self._seen()
        living = {each.address for each in seen if not _is_dead(each)}
        return list(dict.fromkeys(each.address for each in seen if each.address not in living))

    def _missing(self, living: Sequence[Node]) -> int:
        wanted = self._wish().workers
        there = sum(each.stays for each in living if not each.is_head)
        return 0 if wanted is None else max(0, wanted - there)


def _hurried(
    leaving: Sequence[Leaving], again: Collection[str | None], end_by: float
) -> tuple[Leaving, ...]:
    """Let those that are told again end no later than they are told now."""
    return tuple(
        replace(each, end_by=min(each.end_by, end_by)) if each.node_id in again else each
        for each in leaving
    )


def _is_dead(node: Node) -> bool:
    return node.state is NodeState.DEAD


def _told(name: str, partitions: int) -> str:
    return f"{name} to end: it reads {partitions} partition{'' if partitions == 1 else 's'}"
