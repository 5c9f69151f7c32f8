"""How many nodes what is left to read asks for: within a floor, a ceiling and a cool-down."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Protocol

from staging.core.nodes import Node, NodeProvider


@dataclass(frozen=True, slots=True)
class Backlog:
    """What one job has left to read, and how many connections its snapshot's holders keep.

    The bytes are those of Parquet: as many a partition as the published ones had, or as the job's
    target says while there are none.
    """

    connection: str
    partitions: int
    parallelism: int | None
    holders: int
    byte_count: int


@dataclass(frozen=True, slots=True)
class Limits:
    """The fewest and the most nodes in all, the head included; CPUs of each that is added.

    A CPU is wanted only for `bytes_per_cpu` that are left to read, where it is not 0.
    The cluster becomes smaller when it was too large for all of the cool-down, and what a leaving
    node still reads after `drain_seconds` is cut off.
    """

    least: int
    most: int
    cpus: int = 1
    cool_down_seconds: float = 60.0
    drain_seconds: float = 300.0
    bytes_per_cpu: int = 0


@dataclass(frozen=True, slots=True)
class Course:
    """The numbers of nodes that were wanted within the cool-down, and when; each below the last."""

    wishes: tuple[tuple[float, int], ...] = ()

    def steer(self, wanted: int, *, now: float, cool_down_seconds: float) -> "Course":
        """Note another wish; those that are over, or can never be the largest again, are dropped.

        `now` is in seconds and never goes back.
        """
        kept = [
            (at, count)
            for at, count in self.wishes
            if count > wanted and at + cool_down_seconds > now
        ]
        return Course((*kept, (now, wanted)))

    @property
    def largest(self) -> int:
        """The largest wish of the cool-down: growth is at once, shrinking waits for its end."""
        return self.wishes[0][1] if self.wishes else 0


class OwnAutoscaler(Protocol):
    """Ray's own autoscaler, which starts and ends nodes for the CPUs that are asked for.

    It ends idle nodes only.  `keep_within` and `settle` may take minutes.
    """

    def keep_within(self, limits: Limits) -> None:
        """Give it the say, within the limits."""
        ...

    def ask_for(self, cpus: int) -> None:
        """Want so many CPUs in all until another number is wanted."""
        ...

    def settle(self) -> None:
        """Take the say from it; the nodes stay as many as they are."""
        ...


class ScalableNodes(NodeProvider, Protocol):
    """A NodeProvider for an autoscaler, ours or Ray's own."""

    def has_steps(self) -> bool:
        """Tell, at no cost, whether `pending` is to be asked so that earlier orders go on."""
        ...

    def own_autoscaler(self) -> OwnAutoscaler | None:
        """Give Ray's own autoscaler where it runs and can have the say; None: ours has it."""
        ...


def readers(
    backlogs: Sequence[Backlog], budgets: Mapping[str, int], bytes_per_reader: int = 0
) -> int:
    """Count the partitions that could be read at once if there were CPUs enough.

    A connection's jobs together have its budget less what their holders keep; one that is not
    in `budgets` has none.  Where `bytes_per_reader` is not 0, jobs want no more readers than have
    so much to read; a share of one is rounded up for all jobs of a connection together.
    """
    wanted: defaultdict[str, float] = defaultdict(float)
    kept: defaultdict[str, int] = defaultdict(int)
    for each in backlogs:
        most = each.partitions if each.parallelism is None else each.parallelism
        worth = each.byte_count / bytes_per_reader if bytes_per_reader else each.partitions
        wanted[each.connection] += min(each.partitions, most, worth)
        kept[each.connection] += each.holders
    return sum(
        min(ceil(count), max(0, budgets.get(name, 0) - kept[name]))
        for name, count in wanted.items()
    )


def wanted_nodes(nodes: Sequence[Node], cpus: int, limits: Limits) -> int:
    """Count the nodes that have so many CPUs together, the oldest first, within the limits.

    `nodes` begins with the head and is oldest first; where they are too few, new ones are counted.
    """
    count = have = 0
    for each in nodes:
        if each.stays and (count == 0 or have < cpus):
            count += 1
            have += each.cpus
    count += ceil(max(0, cpus - have) / limits.cpus)
    return min(max(count, limits.least), limits.most)
