"""How many partitions of a job are read at once."""

from staging.core.jobs import Job
from workflows.parts import Parts


def width(parts: Parts, job: Job) -> int:
    """Give the cluster's slots, or fewer if the job asks for fewer.

    The connection's budget is not in it: the catalog keeps that when attempts begin.
    Raises ClusterUnavailable without a cluster.
    """
    slots = parts.session.slots()
    return min(slots, job.options.parallelism or slots)
