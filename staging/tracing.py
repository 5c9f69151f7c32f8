"""Trace a job from its POST to its Ray tasks and to Flight, where an operator asks for it.

OpenTelemetry (the extra `otel`) is imported only then.  FastAPI makes the spans of requests by
itself, Temporal's interceptor those of workflows and steps; the others are made here, and none
holds a message of an error, a link, or a row.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry import trace

_DELAY_MILLISECONDS = 1000
_PARENT = ("traceparent", "tracestate")
_tracer: "trace.Tracer | None" = None


class TracingMissing(Exception):
    """STAGING_TRACE_ENDPOINT is set, and OpenTelemetry is not installed."""


class Span:
    """One piece of work that is timed; does nothing where tracing is off."""

    def __init__(self, inner: "trace.Span | None" = None) -> None:
        self._inner = inner

    def tell(self, name: str | None = None, /, **attributes: str | int | None) -> None:
        """Give the span another name, and attributes below `staging.`."""
        if self._inner is None:
            return
        if name is not None:
            self._inner.update_name(name)
        for key, value in attributes.items():
            if value is not None:
                self._inner.set_attribute(f"staging.{key}", value)

    def end(self) -> None:
        """End it; only for those that `begin_span` began."""
        if self._inner is not None:
            self._inner.end()


def start_tracing(process: str, endpoint: str | None) -> None:
    """Send this process's spans to an OTLP/HTTP endpoint from now on; None: to nobody.

    Once a process, at its start.  Raises TracingMissing.
    """
    global _tracer  # noqa: PLW0603  # as OpenTelemetry's own provider: one a process
    if endpoint is None:
        return
    try:
        from opentelemetry import trace  # noqa: PLC0415 - an extra
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError as missing:
        raise TracingMissing(
            "STAGING_TRACE_ENDPOINT is set: run pip install 'staging-service[otel]'"
        ) from missing
    provider = TracerProvider(resource=Resource.create({"service.name": f"staging-{process}"}))
    exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces")
    provider.add_span_processor(
        BatchSpanProcessor(exporter, schedule_delay_millis=_DELAY_MILLISECONDS)
    )
    trace.set_tracer_provider(provider)
    _tracer = trace.get_tracer("staging")


def is_tracing() -> bool:
    """Tell whether spans are sent."""
    return _tracer is not None


@contextmanager
def span(
    name: str, parent: Mapping[str, str] | None = None, **attributes: str | int
) -> Iterator[Span]:
    """Time a block; its parent is the one that was carried here, else the current span."""
    if _tracer is None:
        yield Span()
        return
    from opentelemetry import trace  # noqa: PLC0415 - an extra

    begun = begin_span(name, parent)
    begun.tell(**attributes)
    assert begun._inner is not None
    with trace.use_span(
        begun._inner, end_on_exit=True, record_exception=False, set_status_on_exception=False
    ):
        yield begun


def begin_span(name: str, parent: Mapping[str, str] | None = None) -> Span:
    """Begin a span that is current nowhere; whoever began it ends it."""
    if _tracer is None:
        return Span()
    from opentelemetry.propagate import extract  # noqa: PLC0415 - an extra

    carried = {key: parent[key] for key in _PARENT if parent and key in parent}
    return Span(_tracer.start_span(name, extract(carried) if carried else None))


def carried() -> dict[str, str]:
    """Give what carries the current span to another process; empty where tracing is off."""
    if _tracer is None:
        return {}
    from opentelemetry.propagate import inject  # noqa: PLC0415 - an extra

    carrier: dict[str, str] = {}
    inject(carrier)
    return carrier
