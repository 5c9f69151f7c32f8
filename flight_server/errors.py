"""Turn every failure of a call into a Flight status: the one table of this edge.

Arrow maps Python exceptions to gRPC codes: KeyError to NOT_FOUND, ValueError to INVALID_ARGUMENT,
NotImplementedError to UNIMPLEMENTED, and has Flight classes for the rest.  To the status of a
Python exception it appends `traceback.format_exception()` (arrow/python/common.cc), so callers
would read our stack; for the refusals of this module the formatter is told to say the name only.
"""

import traceback
from collections.abc import Callable, Mapping
from functools import cache, wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import pyarrow as pa
import structlog
from pyarrow import flight

from staging.core import errors

_log = structlog.get_logger(__name__)
_P = ParamSpec("_P")
_R = TypeVar("_R")
_Self = TypeVar("_Self")


class NotFound(pa.ArrowKeyError):  # type: ignore[misc]
    """gRPC NOT_FOUND."""

    def __str__(self) -> str:
        return str(self.args[0])


class Invalid(pa.ArrowInvalid):  # type: ignore[misc]
    """gRPC INVALID_ARGUMENT."""


class Unimplemented(pa.ArrowNotImplementedError):  # type: ignore[misc]
    """gRPC UNIMPLEMENTED."""


class SchemaRefused(OSError):
    """gRPC UNKNOWN; pyarrow's get_schema raises OSError, as it does for every Flight status."""


REFUSALS = (NotFound, Invalid, Unimplemented, flight.FlightError)
_MOST_BYTES = 1_000
"""Of a text, which may repeat what the caller gave: gRPC drops a status over 8 KiB, where each byte
that is not ASCII takes three."""
INTERNAL = "internal: the Flight server failed; its log says why"

STATUSES: Mapping[type[Exception], type[Exception]] = {
    errors.NotFound: NotFound,
    errors.Gone: NotFound,
    errors.BadIdentity: flight.FlightUnauthenticatedError,
    errors.ForeignTicket: flight.FlightUnauthorizedError,
    errors.BadTicket: flight.FlightUnauthenticatedError,
    errors.Unavailable: flight.FlightUnavailableError,
    errors.BadRequest: Invalid,
    errors.InvalidValue: Invalid,
    errors.StateConflict: Invalid,
}
"""The nearest class of an error decides; what is not here is INTERNAL and says nothing."""


def refusal(error: errors.StagingError) -> Exception:
    """Give the Flight exception of an error of the tree; its text is the code and the detail."""
    for kind in type(error).__mro__:
        if kind in STATUSES:
            return STATUSES[kind](_cut(f"{error.code}: {_text(error)}"))
    _log.error("flight.internal", code=error.code, exc_info=error)
    return _internal()


def _internal() -> Exception:
    failed: Exception = flight.FlightInternalError(INTERNAL)
    return failed


def _text(error: errors.StagingError) -> str:
    if isinstance(error, (errors.CatalogUnavailable, errors.StorageUnavailable)):
        # Their detail names hosts and keys; it is for the log.
        _log.warning("flight.unavailable", code=error.code, detail=error.detail)
        return type(error)().detail
    if not isinstance(error, errors.InvalidValue) or not error.errors:
        return error.detail
    return "; ".join(f"{each.pointer}: {each.detail}" for each in error.errors)


def _cut(text: str) -> str:
    cut = text.encode()[:_MOST_BYTES].decode(errors="ignore")
    return text if cut == text else f"{cut} …"


def guarded(
    method: Callable[Concatenate[_Self, _P], _R],
) -> Callable[Concatenate[_Self, _P], _R]:
    """Let a method raise refusals only."""

    @wraps(method)
    def call(self: _Self, /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return method(self, *args, **kwargs)
        except REFUSALS:
            raise
        except errors.StagingError as error:
            raise refusal(error) from None
        except Exception:  # noqa: BLE001  # the process edge: nothing foreign may reach a caller
            _log.exception("flight.internal", method=method.__name__)
            raise _internal() from None

    return call


def without_flight_errors(
    method: Callable[Concatenate[_Self, _P], _R],
) -> Callable[Concatenate[_Self, _P], _R]:
    """Let a guarded method raise no Flight error: pyarrow translates none of GetSchema's.

    What would be UNAVAILABLE or INTERNAL is UNKNOWN there, with the same words.
    """

    @wraps(method)
    def call(self: _Self, /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return method(self, *args, **kwargs)
        except flight.FlightError as refused:
            raise SchemaRefused(str(refused)) from None

    return call


@cache
def hide_stacks() -> None:
    """Format the exceptions of this module without their stack, once a process."""
    with_stack = traceback.format_exception

    @wraps(with_stack)
    def formatted(*args: Any, **kwargs: Any) -> list[str]:
        for given in args:
            if isinstance(given, (NotFound, Invalid, Unimplemented, SchemaRefused)):
                return [type(given).__name__]
        return with_stack(*args, **kwargs)

    traceback.format_exception = formatted
