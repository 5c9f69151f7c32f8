"""Failures that only HTTP knows, and the one table from failure to status.

StagingError
├── BadRequest          NotJson
├── ForeignOrigin
├── NotFound            UnknownPath
├── MethodNotAllowed
├── RangeNotSatisfiable
├── BodyTooLarge
├── UnsupportedMediaType
└── Unavailable         NotReady
"""

from collections.abc import Mapping
from typing import Any

from staging.core.errors import (
    BadRequest,
    Gone,
    InvalidValue,
    NotFound,
    StagingError,
    StateConflict,
    StorageError,
    Unavailable,
)

RETRY_AFTER_SECONDS = 5
MAX_FIELD_ERRORS = 32
"""How many invalid places one problem names."""


class NotJson(BadRequest):
    """The body is not JSON in UTF-8."""

    code = "not_json"


class ForeignOrigin(StagingError):
    """A page of another host may change nothing here; the Origin header names that host."""

    code = "foreign_origin"


class UnknownPath(NotFound):
    """There is no such path; /openapi.json lists them."""


class MethodNotAllowed(StagingError):
    """The path does not take that method; the Allow header lists those it takes."""

    code = "method_not_allowed"


class BodyTooLarge(StagingError):
    """The body is larger than 1 MiB."""

    code = "body_too_large"


class RangeNotSatisfiable(StagingError):
    """The range begins beyond the end of the chunk."""

    code = "range_not_satisfiable"

    def __init__(self, byte_count: int) -> None:
        super().__init__(f"the chunk has {byte_count} bytes, none of which is in the range")
        self.byte_count = byte_count


class UnsupportedMediaType(StagingError):
    """The body must be application/json."""

    code = "unsupported_media_type"


class NotReady(Unavailable):
    """A part that every request needs is down."""

    code = "not_ready"

    def __init__(self, parts: Mapping[str, Any]) -> None:
        down = [name for name, part in parts.items() if part["required"] and part["detail"]]
        super().__init__(f"down: {', '.join(down)}")
        self.parts = parts


STATUS_OF: Mapping[type[StagingError], int] = {
    StagingError: 500,
    BadRequest: 400,
    ForeignOrigin: 403,
    NotFound: 404,
    MethodNotAllowed: 405,
    StateConflict: 409,
    Gone: 410,
    BodyTooLarge: 413,
    UnsupportedMediaType: 415,
    RangeNotSatisfiable: 416,
    InvalidValue: 422,
    StorageError: 503,
    Unavailable: 503,
}

ERROR_OF_STATUS: Mapping[int, type[StagingError]] = {
    400: BadRequest,
    404: UnknownPath,
    405: MethodNotAllowed,
    413: BodyTooLarge,
    415: UnsupportedMediaType,
    422: InvalidValue,
}
"""What the framework's own refusals mean in our words."""


def status_of(error: type[StagingError]) -> int:
    """Give the HTTP status of a failure, that of its nearest ancestor in the table."""
    return next(STATUS_OF[each] for each in error.__mro__ if each in STATUS_OF)


def headers_of(error: StagingError) -> dict[str, str]:
    """Give the headers that belong to a failure's answer."""
    if isinstance(error, RangeNotSatisfiable):
        return {"Content-Range": f"bytes */{error.byte_count}"}
    return {"Retry-After": str(RETRY_AFTER_SECONDS)} if status_of(type(error)) == 503 else {}


def extensions_of(error: StagingError) -> dict[str, Any]:
    """Give the members that a failure adds to its problem."""
    if isinstance(error, InvalidValue) and error.errors:
        named = error.errors[:MAX_FIELD_ERRORS]
        return {"errors": [{"pointer": e.pointer, "detail": e.detail} for e in named]}
    if isinstance(error, StateConflict):
        return {"current_state": str(error.current_state), "allowed": list(error.allowed)}
    if isinstance(error, Gone):
        return {"reason": str(error.reason)}
    if isinstance(error, NotReady):
        return {"parts": dict(error.parts)}
    return {}
