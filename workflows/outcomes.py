"""What the outcome of an attempt means for its partition: published, tried again, or the end."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import structlog

from cluster.task import Outcome
from staging.build import ForeignBuild
from staging.core.chunks import Failure, Receipt
from staging.core.errors import (
    ClusterUnavailable,
    OutOfMemory,
    SnapshotLost,
    SourceChanged,
    SourceUnavailable,
    StaleAttempt,
    StorageUnavailable,
)
from staging.sources.source import ReadCancelled
from workflows.clock import now
from workflows.edge import PartitionFailed
from workflows.parts import Parts

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a partition may fail with one code, and how long until it is tried again.

    `tries` None is for as long as the job lives: the fault is on our side and mends itself.
    The delay doubles with each failure, up to `longest`.
    """

    tries: int | None
    delay: timedelta
    longest: timedelta = timedelta(seconds=10)

    def delay_after(self, failures: int) -> timedelta:
        """How long to wait after so many failures."""
        return min(self.longest, self.delay * (1 << min(failures, 10)))


_PATIENCE = {
    SourceUnavailable.code: Patience(5, timedelta(seconds=1)),
    StorageUnavailable.code: Patience(None, timedelta(seconds=3)),
    ClusterUnavailable.code: Patience(12, timedelta(milliseconds=500)),
    ForeignBuild.code: Patience(60, timedelta(seconds=1)),  # nodes of a new build may be coming up
    OutOfMemory.code: Patience(3, timedelta(seconds=1)),
    SnapshotLost.code: Patience(12, timedelta(milliseconds=200)),
    ReadCancelled.code: Patience(12, timedelta(milliseconds=200)),
}
_UNKNOWN = Patience(5, timedelta(seconds=1))
_NONE = Patience(1, timedelta(0))


def settle(parts: Parts, outcome: Outcome, failures_before: Mapping[str, int]) -> None:
    """Publish a receipt or record a failure, both behind the fence.

    `failures_before` is how often the partition failed before this attempt, by code.
    Raises PartitionFailed when the partition cannot be read, however often it is tried.
    """
    attempt = outcome.attempt
    told = {"partition_id": attempt.partition_id, "attempt": attempt.fence}
    with structlog.contextvars.bound_contextvars(**told):
        if isinstance(outcome, Receipt):
            _publish(parts, outcome)
        else:
            _fail(parts, outcome, failures_before.get(outcome.code, 0))


def _publish(parts: Parts, receipt: Receipt) -> None:
    attempt = receipt.attempt
    try:
        count = parts.catalog.publish_partition(receipt, now=now())
    except StaleAttempt:
        parts.metrics.attempt_stale()
        _log.info("stale_receipt")
    except SourceChanged as changed:
        parts.metrics.attempt_failed(changed.code)
        raise PartitionFailed(changed.code, changed.detail, attempt.partition_id) from None
    else:
        parts.metrics.attempt_published(receipt)
        _log.info(
            "partition_published",
            chunks=count,
            rows=receipt.row_count,
            seconds=dict(receipt.seconds),
        )


def _fail(parts: Parts, failure: Failure, failures_before: int) -> None:
    patience = _PATIENCE.get(failure.code, _UNKNOWN if failure.is_retryable else _NONE)
    attempt = failure.attempt
    parts.metrics.attempt_failed(failure.code)
    _log.warning("attempt_failed", code=failure.code, detail=failure.detail)
    at = now()
    failures = parts.catalog.fail_attempt(
        failure,
        retry_at=at + patience.delay_after(failures_before),
        now=at,
    )
    if patience.tries is not None and failures >= patience.tries:
        raise PartitionFailed(failure.code, failure.detail, attempt.partition_id)
