"""Read JSON bodies without losing anything: no rounded number, no doubled name."""

import json
from collections.abc import Callable, Coroutine, Sequence
from decimal import Decimal
from email.message import Message
from typing import Any, NoReturn

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from api.errors import NotJson, UnsupportedMediaType
from staging.core.errors import InvalidValue

_MAX_NUMBER_LENGTH = 400


class JsonRoute(APIRoute):
    """A route whose body, if it has one, is JSON and is read by `read_json`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Put our reading of the body before the framework's."""
        original = super().get_route_handler()
        takes_body = self.body_field is not None

        async def handle(request: Request) -> Response:
            return await original(await _with_json(request) if takes_body else request)

        return handle


class _JsonRequest(Request):
    """A request whose body is read and parsed already."""

    def __init__(self, request: Request, body: bytes, parsed: object) -> None:
        super().__init__(request.scope, request.receive)
        self._body = body
        self._parsed = parsed

    async def json(self) -> Any:
        """Give the parsed body."""
        return self._parsed


async def _with_json(request: Request) -> Request:
    body = await request.body()
    if not body:
        return _JsonRequest(request, body, None)
    if not _is_json(request.headers.get("content-type")):
        raise UnsupportedMediaType()
    return _JsonRequest(request, body, read_json(body))


def _is_json(content_type: str | None) -> bool:
    """Tell whether a body is said to be JSON in UTF-8; one without a type is taken for it."""
    if content_type is None:
        return True
    message = Message()
    message["content-type"] = content_type
    charset = message.get_content_charset("utf-8")
    return message.get_content_type() == "application/json" and charset in {"utf-8", "utf8"}


def read_json(body: bytes) -> Any:
    """Parse JSON text (RFC 8259) exactly.

    Nothing is changed in silence: NaN and a name given twice raise NotJson, a number with more
    digits than a double keeps raises InvalidValue.
    """
    try:
        return json.loads(
            body.decode(),
            parse_int=_exact_int,
            parse_float=_exact_float,
            parse_constant=_refuse_constant,
            object_pairs_hook=_unique,
        )
    except UnicodeDecodeError as wrong:
        raise NotJson("the body is not UTF-8") from wrong
    except json.JSONDecodeError as wrong:
        place = f"line {wrong.lineno}, column {wrong.colno}"
        raise NotJson(f"the body is not JSON: {wrong.msg} at {place}") from wrong
    except RecursionError as deep:
        raise NotJson("the body is nested too deeply") from deep


def _exact_int(text: str) -> int:
    if len(text) > _MAX_NUMBER_LENGTH:
        raise InvalidValue(f"the body has a number of more than {_MAX_NUMBER_LENGTH} digits")
    return int(text)


def _exact_float(text: str) -> float:
    """Read a number as a double if the shortest text of that double means the same."""
    number = float(text)
    if len(text) > _MAX_NUMBER_LENGTH or Decimal(repr(number)) != Decimal(text):
        raise InvalidValue(
            "the body has a number that a double does not hold exactly; give it as a string"
        )
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise NotJson(f"the body is not JSON: it has {name}")


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotJson("the body is ambiguous: an object names a member twice")
    return found
