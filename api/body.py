"""Read JSON bodies without losing anything: no rounded number, no doubled name."""

import json
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from email.message import Message
from typing import Any, NoReturn

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from api.errors import NotJson, UnsupportedMediaType
from api.problems import invalid_request, pointer
from staging.core.errors import FieldError

_MAX_NUMBER_LENGTH = 400


class JsonRoute(APIRoute):
    """A route whose body, if it has one, is JSON and is read by `read_json`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Put our reading of the body before the framework's."""
        original = super().get_route_handler()
        body = self.body_field
        if body is None:
            return original
        is_required = body.field_info.is_required()

        async def handle(request: Request) -> Response:
            return await original(await _with_json(request, is_required=is_required))

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


async def _with_json(request: Request, *, is_required: bool) -> Request:
    body = await request.body()
    if not body:
        if is_required:
            raise NotJson("the body is empty; give a JSON object")
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
    digits than a double keeps raises InvalidValue, which points at each.
    """
    parsed = _parsed(body)
    found = [FieldError(pointer(place), inexact.detail) for place, inexact in _inexact(parsed)]
    if found:
        raise invalid_request(found)
    return parsed


@dataclass(frozen=True, slots=True)
class _Inexact:
    """Stands where the body has a number that cannot be kept."""

    detail: str


_TOO_LONG = _Inexact(f"a number has at most {_MAX_NUMBER_LENGTH} digits here")
_NO_DOUBLE = _Inexact("a double does not hold this number exactly; give it as a string")


def _parsed(body: bytes) -> Any:
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


def _inexact(parsed: Any) -> Iterator[tuple[tuple[str | int, ...], _Inexact]]:
    """Find the places of numbers that cannot be kept, in order."""
    waiting: list[tuple[tuple[str | int, ...], Any]] = [((), parsed)]
    while waiting:
        place, value = waiting.pop()
        if isinstance(value, _Inexact):
            yield place, value
        elif isinstance(value, dict):
            waiting += [((*place, name), member) for name, member in reversed(value.items())]
        elif isinstance(value, list):
            waiting += [((*place, i), value[i]) for i in reversed(range(len(value)))]


def _exact_int(text: str) -> int | _Inexact:
    return _TOO_LONG if len(text) > _MAX_NUMBER_LENGTH else int(text)


def _exact_float(text: str) -> float | _Inexact:
    """Read a number as a double if the shortest text of that double means the same."""
    if len(text) > _MAX_NUMBER_LENGTH:
        return _TOO_LONG
    number = float(text)
    try:
        is_exact = Decimal(repr(number)) == Decimal(text)
    except InvalidOperation:  # the exponent is beyond what decimals can have
        is_exact = False
    return number if is_exact else _NO_DOUBLE


def _refuse_constant(name: str) -> NoReturn:
    raise NotJson(f"the body is not JSON: it has {name}")


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotJson("the body is ambiguous: an object names a member twice")
    return found
