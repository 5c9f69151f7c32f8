"""Count requests, and show them with the catalog's counts in Prometheus' text form.

The form is Prometheus' exposition format 0.0.4; names follow its naming conventions.
"""

from collections.abc import Iterator

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from starlette.types import Scope

from api import PREFIX
from staging.catalog import Catalog
from staging.core.errors import CatalogUnavailable
from staging.exposition import tell_build

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_METHODS = frozenset({"GET", "HEAD", "POST", "PATCH", "DELETE"})
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60)

_log = structlog.get_logger(__name__)


class Metrics:
    """The metrics of one API process."""

    def __init__(self, catalog: Catalog) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.registry.register(_CatalogCounts(catalog))
        tell_build(self.registry)
        self._requests = Counter(
            "staging_http_requests",
            "Requests answered, by route below the prefix; status 499: the caller went away.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "staging_http_request_seconds",
            "Time from a request to the end of its answer; long polls wait on purpose.",
            ("method", "route"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._series: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def observe(self, scope: Scope, status: int | None, seconds: float) -> None:
        """Count one request; None is the status of a caller who went away unanswered."""
        method = scope["method"] if scope["method"] in _METHODS else "other"
        # The route's pattern, not the path: ids would make a series each.
        route = getattr(scope.get("route"), "path", "none").removeprefix(PREFIX)
        key = (method, route, status or 499)
        if key not in self._series:
            self._series[key] = self._requests.labels(*key), self._seconds.labels(method, route)
        count, times = self._series[key]
        count.inc()
        times.observe(seconds)

    def render(self) -> bytes:
        """Write everything down, asking the catalog."""
        return generate_latest(self.registry)


class _CatalogCounts(Collector):
    """What the catalog counts, asked anew each time; without it, only that it is away."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def describe(self) -> list[GaugeMetricFamily]:
        """Name nothing in advance, or registering would ask the catalog."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Ask the catalog."""
        try:
            found = self._catalog.gauges()
        except CatalogUnavailable as away:
            _log.warning("metrics_without_catalog", detail=away.detail)
            yield _gauge("staging_catalog_up", "Whether the catalog answers.", 0)
            return
        yield _gauge("staging_catalog_up", "Whether the catalog answers.", 1)
        jobs = GaugeMetricFamily(
            "staging_jobs", "Jobs whose objects are not yet deleted, by state.", labels=["state"]
        )
        for state, count in found.jobs.items():
            jobs.add_metric([state], count)
        yield jobs
        oldest = GaugeMetricFamily(
            "staging_oldest_job_moved_timestamp_seconds",
            "When the job that is longest in a state came into it.",
            labels=["state"],
        )
        for state, moved_at in found.oldest_moved_at.items():
            oldest.add_metric([state], moved_at.timestamp())
        yield oldest
        yield _gauge(
            "staging_partitions_running", "Partitions being read now.", found.partitions_running
        )
        yield _gauge(
            "staging_partitions_left",
            "Planned partitions that are not published.",
            found.partitions_left,
        )
        yield _gauge(
            "staging_chunks_unacked",
            "Published chunks that wait for an ack.",
            found.chunks_unacked,
        )


def _gauge(name: str, help_text: str, value: int) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, help_text, value=value)
