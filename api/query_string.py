"""Refuse what no operation reads in its query string, rather than leave it out in silence."""

from collections import Counter
from collections.abc import Iterable

from fastapi import Depends
from starlette.requests import Request

from api.problems import invalid_request, pointer
from staging.core.errors import FieldError


async def take_no_query(request: Request) -> None:
    """Raise InvalidValue for every parameter: the operation takes none."""
    _refuse(request.query_params, "the operation takes no such parameter")


def check_given_once(request: Request) -> None:
    """Raise InvalidValue for every parameter that is there twice: no operation takes a list."""
    counts = Counter(name for name, _ in request.query_params.multi_items())
    _refuse([name for name, count in counts.items() if count > 1], "given twice; give it once")


def _refuse(names: Iterable[str], detail: str) -> None:
    found = [FieldError(pointer(["query", name]), detail) for name in names]
    if found:
        raise invalid_request(found)


NO_QUERY = Depends(take_no_query)
