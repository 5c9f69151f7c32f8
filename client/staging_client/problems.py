"""Turn a problem (RFC 9457) into the error of this client: the one table of this edge."""

from collections.abc import Mapping
from typing import Any

import httpx2

from staging_client.errors import (
    DataGone,
    FieldError,
    IdentityRefused,
    InvalidRequest,
    JobNotFound,
    Refused,
    WrongState,
)

BY_STATUS: Mapping[int, type[Refused]] = {
    400: InvalidRequest,
    401: IdentityRefused,
    403: IdentityRefused,
    404: JobNotFound,
    409: WrongState,
    410: DataGone,
    413: InvalidRequest,
    415: InvalidRequest,
    422: InvalidRequest,
}


def refused(answer: httpx2.Response) -> Refused:
    """Give the error of an answer whose status is 400 or more."""
    problem = _problem(answer)
    code = str(problem.get("code", ""))
    kind = IdentityRefused if code == "bad_identity" else BY_STATUS.get(answer.status_code, Refused)
    detail = str(problem.get("detail") or problem.get("title") or f"HTTP {answer.status_code}")
    error = kind(detail, status=answer.status_code, code=code, request_id=problem.get("request_id"))
    if isinstance(error, InvalidRequest):
        error.errors = tuple(
            FieldError(str(each.get("pointer", "")), str(each.get("detail", "")))
            for each in problem.get("errors", ())
        )
    if isinstance(error, WrongState):
        error.current_state = str(problem.get("current_state", ""))
        error.allowed = tuple(problem.get("allowed", ()))
    if isinstance(error, DataGone):
        error.reason = str(problem.get("reason", ""))
    return error


def _problem(answer: httpx2.Response) -> dict[str, Any]:
    try:
        found = answer.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
