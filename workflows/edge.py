"""The edge between our errors and Temporal's: one place, and nothing secret crosses it.

Messages and stack traces live on in workflow histories, so only a code and the text of our own
errors go over; a foreign error is named by its class alone.
"""

import functools
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError

from staging.core.errors import SourceUnavailable, StagingError

_UNEXPECTED_TRIES = 8
_SOURCE_TRIES = 5
_log = structlog.get_logger(__name__)

Params = ParamSpec("Params")
Owner = TypeVar("Owner")
Result = TypeVar("Result")


class PartitionFailed(StagingError):
    """A partition cannot be read; the job fails with its code."""

    def __init__(self, code: str, detail: str, partition_id: int) -> None:
        super().__init__(detail)
        self.failure_code = code
        self.partition_id = partition_id


def may_fail_the_job(
    step: Callable[Concatenate[Owner, Params], Result],
) -> Callable[Concatenate[Owner, Params], Result]:
    """Translate errors of a step before the job's end: what no other try can mend fails the job."""
    return _translated(step, is_final=_cannot_be_mended)


def must_succeed(
    step: Callable[Concatenate[Owner, Params], Result],
) -> Callable[Concatenate[Owner, Params], Result]:
    """Translate errors of a step that ends a job: it is tried until it succeeds."""
    return _translated(step, is_final=lambda _: False)


def _translated(
    step: Callable[Concatenate[Owner, Params], Result],
    is_final: Callable[[Exception], bool],
) -> Callable[Concatenate[Owner, Params], Result]:
    @functools.wraps(step)
    def edge(self: Owner, /, *args: Params.args, **kwargs: Params.kwargs) -> Result:
        info = activity.info()
        told = {"job_id": info.workflow_id, "step": info.activity_type, "step_try": info.attempt}
        with structlog.contextvars.bound_contextvars(**told):
            try:
                return step(self, *args, **kwargs)
            except Exception as error:  # noqa: BLE001  # the process edge: all errors are translated here
                _log.warning(
                    "step_failed",
                    error=_code(error),
                    exc_info=not isinstance(error, StagingError),
                )
                raise _application_error(error, non_retryable=is_final(error)) from None

    return edge


def _cannot_be_mended(error: Exception) -> bool:
    attempt = activity.info().attempt
    if isinstance(error, SourceUnavailable):
        return attempt >= _SOURCE_TRIES
    if isinstance(error, StagingError):
        return not error.retryable
    return attempt >= _UNEXPECTED_TRIES


def _application_error(error: Exception, *, non_retryable: bool) -> ApplicationError:
    details = [error.partition_id] if isinstance(error, PartitionFailed) else []
    text = error.detail if isinstance(error, StagingError) else _unexpected(error)
    return ApplicationError(text, *details, type=_code(error), non_retryable=non_retryable)


def _code(error: Exception) -> str:
    if isinstance(error, PartitionFailed):
        return error.failure_code
    return error.code if isinstance(error, StagingError) else StagingError.code


def _unexpected(error: Exception) -> str:
    return f"an unexpected {type(error).__name__} ended the step; the worker's log has the trace"
