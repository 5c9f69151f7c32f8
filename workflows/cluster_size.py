"""Show how large the Ray cluster is, as this worker last counted it."""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from cluster.session import RaySession
from staging.core.errors import ClusterUnavailable


class ClusterSize(Collector):
    """The CPUs that read partitions; every worker shows the same unless it cannot reach Ray."""

    def __init__(self, session: RaySession) -> None:
        self._session = session

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Give what is known; nothing is asked."""
        try:
            cpus = self._session.slots()
        except ClusterUnavailable:
            cpus = 0
        yield GaugeMetricFamily(
            "staging_cluster_cpus",
            "CPUs of the Ray cluster that read partitions; 0 while it does not answer.",
            cpus,
        )
