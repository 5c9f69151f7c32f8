"""The edge between our errors and Temporal's: one place, and nothing secret crosses it.

Messages and stack traces live on in workflow histories, so only a code and the text of our own
errors go over; a foreign error is named by its class alone.
"""

import functools
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError, CancelledError

from staging.core.errors import OrchestrationUnavailable, SourceUnavailable, StagingError

_UNEXPECTED_TRIES = 8
_SOURCE_TRIES = 5
_MOST_STEPS = 10_000
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


class Tries:
    """How often steps failed with each code in this process, until they succeed; thread-safe.

    Temporal's own count has every cause in it: a step that had to wait for others has no patience
    left for its source by that.
    """

    def __init__(self, most_steps: int = _MOST_STEPS) -> None:
        self._most_steps = most_steps
        self._failed: OrderedDict[tuple[str, str], Counter[str]] = OrderedDict()
        self._lock = threading.Lock()

    def fail(self, step: tuple[str, str], code: str) -> int:
        """Note a failure of a workflow's step; give how many of this code it has."""
        with self._lock:
            counts = self._failed.setdefault(step, Counter())
            self._failed.move_to_end(step)
            if len(self._failed) > self._most_steps:
                self._failed.popitem(last=False)
            counts[code] += 1
            return counts[code]

    def forget(self, step: tuple[str, str]) -> None:
        """Note that a step is over."""
        with self._lock:
            self._failed.pop(step, None)


_tries = Tries()


def may_fail_the_job(
    step: Callable[Concatenate[Owner, Params], Result],
) -> Callable[Concatenate[Owner, Params], Result]:
    """Translate errors of a step before the job's end: what no other try can mend fails the job."""
    return _translated(step, is_final=_cannot_be_mended)


def must_succeed(
    step: Callable[Concatenate[Owner, Params], Result],
) -> Callable[Concatenate[Owner, Params], Result]:
    """Translate errors of a step that ends a job: it is tried until it succeeds."""
    return _translated(step, is_final=lambda _, __: False)


def _translated(
    step: Callable[Concatenate[Owner, Params], Result],
    is_final: Callable[[Exception, int], bool],
) -> Callable[Concatenate[Owner, Params], Result]:
    @functools.wraps(step)
    def edge(self: Owner, /, *args: Params.args, **kwargs: Params.kwargs) -> Result:
        info = activity.info()
        of_step = str(info.workflow_id), info.activity_type
        told = {"job_id": info.workflow_id, "step": info.activity_type, "step_try": info.attempt}
        with structlog.contextvars.bound_contextvars(**told):
            try:
                done = step(self, *args, **kwargs)
            except CancelledError:
                stopped = OrchestrationUnavailable("the worker stops; the step goes on elsewhere")
                raise _application_error(stopped, non_retryable=False) from None
            except Exception as error:  # noqa: BLE001  # the process edge: all errors are translated here
                _log.warning(
                    "step_failed",
                    error=_code(error),
                    exc_info=not isinstance(error, StagingError),
                )
                is_over = is_final(error, _tries.fail(of_step, _code(error)))
                if is_over:
                    _tries.forget(of_step)
                raise _application_error(error, non_retryable=is_over) from None
        _tries.forget(of_step)
        return done

    return edge


def _cannot_be_mended(error: Exception, tries: int) -> bool:
    if isinstance(error, SourceUnavailable):
        return tries >= _SOURCE_TRIES
    if isinstance(error, StagingError):
        return not error.retryable
    return tries >= _UNEXPECTED_TRIES


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
