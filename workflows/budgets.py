"""Show how far the budgets of the connections are used, asked of the catalog each time."""

from collections.abc import Iterator

import structlog
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from staging.catalog import Catalog
from staging.core.errors import StagingError
from staging.sources.connections import Connections

_log = structlog.get_logger(__name__)


class Budgets(Collector):
    """The sessions that all jobs use of each registered connection, and may use.

    Every worker shows the same.  Nothing is shown while the catalog or the registry is away.
    """

    def __init__(self, catalog: Catalog, connections: Connections) -> None:
        self._catalog = catalog
        self._connections = connections

    def describe(self) -> list[GaugeMetricFamily]:
        """Name nothing in advance, or registering would ask the catalog."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Ask the catalog and the registry."""
        try:
            found = self._catalog.connections_in_use()
            registered = self._connections.all()
        except StagingError as away:
            _log.warning("budgets_not_shown", code=away.code)
            return
        in_use = GaugeMetricFamily(
            "staging_source_connections_in_use",
            "Sessions that jobs use of a connection: running attempts and snapshot holders.",
            labels=["connection", "use"],
        )
        budget = GaugeMetricFamily(
            "staging_source_connections_budget",
            "Sessions that all jobs together may use of a connection.",
            labels=["connection"],
        )
        for connection in registered:
            used = found.get(connection.name)
            in_use.add_metric([connection.name, "attempt"], used.attempts if used else 0)
            in_use.add_metric([connection.name, "holder"], used.holders if used else 0)
            budget.add_metric([connection.name], connection.max_connections)
        yield in_use
        yield budget
