"""Answer every failure as application/problem+json (RFC 9457)."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Scope

from api.errors import ERROR_OF_STATUS, MAX_FIELD_ERRORS, extensions_of, headers_of, status_of
from staging.core.errors import FieldError, InvalidValue, StagingError

PROBLEM_JSON = "application/problem+json"
_FRAGMENT_SAFE = "~!$&'()*+,;=:@?._-"
_KEY_MARK = "[key]"
"""How pydantic says that a member's name is wrong, not its value."""


def install_problems(app: FastAPI) -> None:
    """Translate our failures, the framework's and pydantic's, in one place."""
    app.add_exception_handler(StagingError, _answer_staging)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_exception_handler(RequestValidationError, _answer_validation)


def problem(
    error: StagingError, scope: Scope, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """Build the answer of one failure to one request."""
    body = problem_json(error, instance=request_path(scope), request_id=request_id_of(scope))
    return JSONResponse(
        body,
        status_of(type(error)),
        {**headers_of(error), **(headers or {})},
        media_type=PROBLEM_JSON,
    )


def problem_json(error: StagingError, *, instance: str, request_id: str) -> dict[str, Any]:
    """Give the problem's JSON object."""
    return {
        "type": f"/problems/{error.code}",
        "title": error.code.replace("_", " ").capitalize(),
        "status": status_of(type(error)),
        "detail": error.detail,
        "instance": instance,
        "code": error.code,
        "request_id": request_id,
        **extensions_of(error),
    }


def request_path(scope: Scope) -> str:
    """Give the path as it was sent, without the query."""
    raw: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
    return raw.split(b"?")[0].decode("latin-1")


def request_id_of(scope: Scope) -> str:
    """Give the id that this request goes by."""
    return str(scope.get("state", {}).get("request_id", ""))


def pointer(places: Sequence[str | int]) -> str:
    r"""Write a place in a body as an RFC 6901 pointer in its URI fragment form.

    Half of a surrogate pair, which UTF-8 does not have, stands there as JSON writes it, `\ud800`.
    """
    escaped = (str(place).replace("~", "~0").replace("/", "~1") for place in places)
    quoted = (quote(place, _FRAGMENT_SAFE, errors="backslashreplace") for place in escaped)
    return "#" + "".join("/" + place for place in quoted)


def invalid_request(found: Sequence[FieldError]) -> InvalidValue:
    """Give the refusal of a request with invalid places; its text names the first ones."""
    summary = "; ".join(f"{each.pointer}: {each.detail}" for each in found[:3])
    return InvalidValue(f"the request is not valid: {summary}", found)


async def _answer_staging(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, StagingError)
    return problem(error, request.scope)


async def _answer_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    meant = ERROR_OF_STATUS.get(error.status_code, StagingError)
    headers = dict(error.headers or {})
    # The framework knows the methods of the first route of a path alone.
    if error.status_code == 405 and (
        allowed := request.app.state.allowed_methods(request.scope["path"])
    ):
        headers["Allow"] = allowed
    return problem(meant(), request.scope, headers)


async def _answer_validation(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    found = [_field_error(each) for each in error.errors()[:MAX_FIELD_ERRORS]]
    return problem(invalid_request(found), request.scope)


def _field_error(found: Mapping[str, Any]) -> FieldError:
    """Translate one of pydantic's errors; the value itself is never repeated."""
    where, *places = found["loc"]
    named = [place for place in places if place != _KEY_MARK]
    if where != "body":
        named = [where, *named]
    return FieldError(pointer(named), found["msg"].removeprefix("Value error, "))
