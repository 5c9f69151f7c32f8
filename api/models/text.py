"""Texts and numbers as the contract bounds them."""

import re
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetJsonSchemaHandler,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

_CONTROLS = r"\x00-\x1f\x7f"
_DIGITS = re.compile("[0-9]{1,19}", re.ASCII)
_SCALAR = {"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "boolean"}, {"type": "null"}]}


def check_text(given: str) -> None:
    """Raise ValueError for what JSON can write and no source, catalog or answer can hold."""
    try:
        is_text = "\0" not in given.encode().decode()
    except UnicodeEncodeError:
        is_text = False
    if not is_text:
        raise ValueError("must be text without NUL and without half a surrogate pair")


def _digits(given: Any) -> Any:
    """Take a whole number from a query only as plain digits."""
    if isinstance(given, str) and not _DIGITS.fullmatch(given):
        raise ValueError("must be a whole number in decimal digits")
    return given


def _integral(given: Any) -> Any:
    """Take 60.0 for 60: JSON knows one kind of number (RFC 8259, section 6)."""
    return int(given) if isinstance(given, float) and given.is_integer() else given


def _scalar(given: Any) -> Any:
    if not isinstance(given, str | int | float | None):
        raise ValueError("must be a string, a number, true, false or null")
    if isinstance(given, str):
        check_text(given)
    return given


class _Closed:
    """Says in the JSON Schema of an object that it takes no key but those of its pattern."""

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return handler(schema) | {"additionalProperties": False}


Name = Annotated[str, Field(min_length=1, max_length=256, pattern=rf"^[^{_CONTROLS}]+$")]
"""A name without control characters: of a job, a connection, a consumer, a column."""
Target = Annotated[str, Field(min_length=1, max_length=1024, pattern=rf"^[^{_CONTROLS}]+$")]
"""A table, or a path inside a connection's root."""
LabelKey = Annotated[str, Field(min_length=1, max_length=128, pattern=rf"^[^:{_CONTROLS}]+$")]
LabelValue = Annotated[str, Field(max_length=256, pattern=rf"^[^{_CONTROLS}]*$")]
Labels = Annotated[dict[LabelKey, LabelValue], Field(max_length=64), _Closed()]
Label = Annotated[
    str, Field(max_length=385, pattern=rf"^[^:{_CONTROLS}]{{1,128}}:[^{_CONTROLS}]{{0,256}}$")
]
"""One label as a query writes it, `key:value`; the key ends at the first colon."""
Query = Annotated[str, Field(min_length=1, max_length=100_000, pattern=r"^[^\x00]*$")]
"""SQL text; it may have line breaks."""
Scalar = Annotated[Any, AfterValidator(_scalar), WithJsonSchema(_SCALAR)]
"""Any JSON value that is not a list or an object."""
Integral = BeforeValidator(_integral)
"""Of a whole number in a body, however it is written."""
Digits = BeforeValidator(_digits)
"""Of a whole number in a query string."""
