"""What an attempt says of itself in the log of its node."""

from collections.abc import Callable
from functools import cache

import structlog

from cluster.extract import ExtractRequest, Telemetry
from staging.core.chunks import Failure, Receipt
from staging.logs import configure_logging, log_crashes
from staging.redaction import conceal
from staging.tracing import TracingMissing, span, start_tracing

_log = structlog.get_logger(__name__)


def logged(request: ExtractRequest, run: Callable[[], Receipt | Failure]) -> Receipt | Failure:
    """Run an attempt, log its begin and its end, and trace it where that is asked for."""
    _configure(request.telemetry)
    conceal(request.connection.secrets)
    attempt = request.attempt
    names: dict[str, str | int] = {
        "job_id": attempt.job_id,
        "partition_id": attempt.partition_id,
        "attempt": attempt.fence,
    }
    with structlog.contextvars.bound_contextvars(**names):
        _log.info("attempt_begun", connection=request.connection.name)
        with span("extract", request.trace, **names) as traced:
            outcome = run()
            traced.tell(code=outcome.code if isinstance(outcome, Failure) else None)
        if isinstance(outcome, Receipt):
            _log.info(
                "attempt_read",
                rows=outcome.row_count,
                chunks=len(outcome.chunks),
                seconds=dict(outcome.seconds),
            )
        else:
            _log.warning("attempt_failed", code=outcome.code, detail=outcome.detail)
        return outcome


@cache
def _configure(telemetry: Telemetry) -> None:
    """Log and trace as the worker does, once: Ray uses a process for many attempts.

    The settings themselves are not read here: their library costs each task 9 MB and 0.2 s.
    """
    configure_logging(telemetry.log_level)
    log_crashes()
    try:
        start_tracing("ray", telemetry.trace_endpoint)
    except TracingMissing as missing:
        _log.warning("tracing_missing", detail=str(missing))
