"""What an attempt says of itself in the log of its node."""

from collections.abc import Callable
from functools import cache

import structlog

from cluster.extract import ExtractRequest
from staging.core.chunks import Failure, Receipt
from staging.logs import configure_logging, log_crashes
from staging.redaction import conceal
from staging.settings import settings

_log = structlog.get_logger(__name__)


def logged(request: ExtractRequest, run: Callable[[], Receipt | Failure]) -> Receipt | Failure:
    """Run an attempt and log its begin and its end."""
    _configure()
    conceal(request.connection.secrets)
    attempt = request.attempt
    with structlog.contextvars.bound_contextvars(
        job_id=attempt.job_id, partition_id=attempt.partition_id, attempt=attempt.fence
    ):
        _log.info("attempt_begun", connection=request.connection.name)
        outcome = run()
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
def _configure() -> None:
    """Log as the node's environment says, once a process: Ray uses one for many attempts."""
    configure_logging(settings().log_level, settings().secrets)
    log_crashes()
