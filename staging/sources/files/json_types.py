"""Find the form of a JSON member that gives back each of its values, and bring values into it.

Objects, arrays, numbers that neither int64 nor double gives back, and values of different types
are staged as JSON text.
"""

import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import pyarrow as pa

from staging.sources.files.json_file import LongNumber

_LARGEST_WHOLE_DOUBLE = 1 << 53
_INT64 = range(-(1 << 63), 1 << 63)


class Form(StrEnum):
    """How the values of one member are staged."""

    BOOLEAN = "boolean"
    INTEGER = "integer"
    DOUBLE = "double"
    TEXT = "text"
    JSON = "json"

    @property
    def type(self) -> pa.DataType:
        """The Arrow type of the column."""
        return _TYPES[self]


_TYPES: Mapping[Form, pa.DataType] = {
    Form.BOOLEAN: pa.bool_(),
    Form.INTEGER: pa.int64(),
    Form.DOUBLE: pa.float64(),
    Form.TEXT: pa.string(),
    Form.JSON: pa.string(),
}


class MemberForms:
    """Narrows the possible forms of each member as its values are seen."""

    def __init__(self) -> None:
        self._possible: dict[str, list[Form]] = {}

    def see(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Drop the forms that some value does not suit; NULL suits all."""
        for row in rows:
            for name, value in row.items():
                possible = self._possible.setdefault(name, list(Form))
                if value is not None and not all(_suits(form, value) for form in possible):
                    possible[:] = [form for form in possible if _suits(form, value)]

    def found(self) -> dict[str, Form]:
        """Give each member's form, in the order in which they were seen."""
        return {
            name: Form.TEXT if len(possible) == len(Form) else possible[0]
            for name, possible in self._possible.items()
        }


def convert(values: Sequence[Any], form: Form) -> tuple[pa.Array, int]:
    """Give the column and how many values have none of that form; these become NULL."""
    kept = [None if value is None else _CONVERTED[form](value) for value in values]
    bad = sum(value is None for value in kept) - sum(value is None for value in values)
    return pa.array(kept, form.type), bad


def _suits(form: Form, value: Any) -> bool:
    return form is Form.JSON or _CONVERTED[form](value) is not None


def _boolean(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _integer(value: Any) -> int | None:
    return value if type(value) is int and value in _INT64 else None


def _double(value: Any) -> float | None:
    if type(value) is int:
        return float(value) if abs(value) <= _LARGEST_WHOLE_DOUBLE else None
    return value if isinstance(value, float) else None


def _text(value: Any) -> str | None:
    """Give the text; one with half of a surrogate pair has no UTF-8."""
    if not isinstance(value, str):
        return None
    return value if value.isascii() or _has_utf8(value) else None


def _json(value: Any) -> str | None:
    """Give compact JSON; a long number inside of a value has no form."""
    if isinstance(value, LongNumber):
        return value.text
    try:
        return _text(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
    except TypeError:
        return None


def _has_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


_CONVERTED = {
    Form.BOOLEAN: _boolean,
    Form.INTEGER: _integer,
    Form.DOUBLE: _double,
    Form.TEXT: _text,
    Form.JSON: _json,
}
