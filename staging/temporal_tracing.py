"""Carry traces through Temporal: to the workflow, and to each of its steps."""

from collections.abc import Sequence

from temporalio.client import Interceptor

from staging.tracing import is_tracing


def tracing_interceptors() -> Sequence[Interceptor]:
    """Give what a Temporal client, and its workers, need for it; nothing where tracing is off."""
    if not is_tracing():
        return ()
    from temporalio.contrib.opentelemetry import TracingInterceptor  # noqa: PLC0415 - an extra

    return (TracingInterceptor(),)
