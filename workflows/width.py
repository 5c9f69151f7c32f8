"""How many partitions of a job are read at once, and how many are handed to the cluster."""

from staging.core.jobs import Job
from workflows.parts import Parts


def width(parts: Parts, job: Job) -> int:
    """Give the cluster's slots, or fewer if the job asks for fewer.

    The connection's budget is not in it: the catalog keeps that when attempts begin.
    Raises ClusterUnavailable without a cluster.
    """
    slots = parts.session.slots()
    return min(slots, job.options.parallelism or slots)


def depth(parts: Parts, job: Job) -> int:
    """Give how many attempts are handed to the cluster at once: some wait there for their turn.

    A slot that is free takes the next of them before this process has heard that it is free.
    They are few, as they stand before what other jobs hand over.
    Raises ClusterUnavailable without a cluster.
    """
    slots = parts.session.slots()
    ahead = max(1, slots // 4)
    return min(slots + ahead, job.options.parallelism or slots + ahead)
