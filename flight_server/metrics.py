"""What one Flight server counts, for Prometheus; docs/reference/metrics.md explains each metric."""

import time
from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from pyarrow import flight

from flight_server.cache import Cache
from staging.exposition import tell_build
from staging.tracing import Span, begin_span

TALLY = "tally"
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60)
_METHODS: Mapping[flight.FlightMethod, str] = {
    flight.FlightMethod.LIST_FLIGHTS: "ListFlights",
    flight.FlightMethod.GET_FLIGHT_INFO: "GetFlightInfo",
    flight.FlightMethod.GET_SCHEMA: "GetSchema",
    flight.FlightMethod.DO_GET: "DoGet",
    flight.FlightMethod.DO_ACTION: "DoAction",
    flight.FlightMethod.LIST_ACTIONS: "ListActions",
}
"""What this server answers; every other method is counted as `other`."""
_OUTCOMES: tuple[tuple[type[Exception], str], ...] = (
    (flight.FlightCancelledError, "cancelled"),
    (flight.FlightUnavailableError, "unavailable"),
    (flight.FlightUnauthenticatedError, "unauthenticated"),
    (flight.FlightUnauthorizedError, "unauthorized"),
    (pa.ArrowKeyError, "not_found"),
    (pa.ArrowInvalid, "invalid"),
    (pa.ArrowNotImplementedError, "unimplemented"),
)
_LOGGED = frozenset({"DoGet", "DoAction", "GetFlightInfo"})
"""The others are asked by probes, again and again."""
_LONGEST_ID = 1024
_log = structlog.get_logger(__name__)


class FlightMetrics:
    """Counters of one server, in a registry of their own; thread-safe."""

    def __init__(self, cache: Cache) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        tell_build(self.registry)
        self.registry.register(_CacheUse(cache))
        self.calls = self._counter(
            "staging_flight_calls", "Calls that ended, by method and outcome.", "method", "outcome"
        )
        self.streams_open = Gauge(
            "staging_flight_streams_open", "DoGet calls under way.", registry=self.registry
        )
        self.refused = self._counter(
            "staging_flight_streams_refused", "DoGet calls refused because all slots were taken."
        )
        self.rows = self._counter("staging_flight_rows", "Rows that ended streams had been given.")
        self.bytes = self._counter(
            "staging_flight_bytes", "Bytes of Arrow that ended streams had been given."
        )
        self.reads = self._counter(
            "staging_flight_cache_reads",
            "Streams, by whether the cache had the chunk decoded.",
            "result",
        )
        self.decode_seconds = Histogram(
            "staging_flight_decode_seconds",
            "Time to fetch, verify and decode one chunk.",
            buckets=_SECONDS,
            registry=self.registry,
        )

    def call_refused(self, info: flight.CallInfo) -> None:
        """Count a call that named no caller whom we could know."""
        self.calls.labels(_method(info), "unauthenticated").inc()

    def _counter(self, name: str, help_text: str, *labels: str) -> Counter:
        return Counter(name, help_text, labels, registry=self.registry)


class Tally(flight.ServerMiddleware):  # type: ignore[misc]  # pyarrow has no stubs
    """Counts one call; a stream tells it what it gives to Arrow."""

    def __init__(
        self, metrics: FlightMetrics, method: str, request_id: str | None, traced: Span
    ) -> None:
        self._metrics = metrics
        self._method = method
        self._traced = traced
        self._told: dict[str, str] = {"request_id": request_id} if request_id else {}
        self._began = time.monotonic()
        self._rows = 0
        self._bytes = 0
        if method == "DoGet":
            metrics.streams_open.inc()

    def tell(self, **told: str) -> None:
        """Note what the call is about, for the log."""
        self._told |= told

    def give(self, rows: int, byte_count: int) -> None:
        """Note what is handed to Arrow to be sent."""
        self._rows += rows
        self._bytes += byte_count

    def call_completed(self, exception: Exception | None) -> None:
        """Count the call: Arrow calls this once its last byte is out, or when it failed."""
        outcome = _outcome(exception)
        self._metrics.calls.labels(self._method, outcome).inc()
        log = _log.info if self._method in _LOGGED else _log.debug
        seconds = round(time.monotonic() - self._began, 4)
        log(
            "flight.call",
            method=self._method,
            outcome=outcome,
            seconds=seconds,
            rows=self._rows,
            byte_count=self._bytes,
            **self._told,
        )
        self._traced.tell(outcome=outcome, rows=self._rows, **self._told)
        self._traced.end()
        if self._method == "DoGet":
            self._metrics.streams_open.dec()
            self._metrics.rows.inc(self._rows)
            self._metrics.bytes.inc(self._bytes)


class TallyFactory(flight.ServerMiddlewareFactory):  # type: ignore[misc]
    """Begins a tally at each call that the other middleware lets pass."""

    def __init__(self, metrics: FlightMetrics) -> None:
        self._metrics = metrics

    def start_call(self, info: flight.CallInfo, headers: Mapping[str, Sequence[str]]) -> Tally:
        """Begin."""
        given = headers.get("x-request-id", [""])[0]
        is_usable = len(given) <= _LONGEST_ID and given.isascii() and given.isprintable()
        carried = {name: values[0] for name, values in headers.items() if values}
        traced = begin_span(f"Flight {_method(info)}", carried)
        return Tally(self._metrics, _method(info), given if is_usable else None, traced)


def tally_of(context: flight.ServerCallContext) -> Tally:
    """Give the tally of a call."""
    tally: Tally = context.get_middleware(TALLY)
    return tally


def _method(info: flight.CallInfo) -> str:
    return _METHODS.get(info.method, "other")


def _outcome(exception: Exception | None) -> str:
    if exception is None:
        return "ok"
    return next((name for kind, name in _OUTCOMES if isinstance(exception, kind)), "failed")


class _CacheUse(Collector):
    """What the cache holds now, read when it is asked for."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    def collect(self) -> Iterator[Metric]:
        """Look at the cache."""
        cache = self._cache
        used = "Bytes of decoded chunks in the cache, those being written included."
        yield GaugeMetricFamily("staging_flight_cache_bytes", used, value=cache.used_bytes)
        limit = "Most that the cache may hold."
        yield GaugeMetricFamily("staging_flight_cache_limit_bytes", limit, value=cache.limit_bytes)
        evicted = "Decoded chunks that made room for others."
        yield CounterMetricFamily(
            "staging_flight_cache_evictions", evicted, value=cache.evicted_count
        )
