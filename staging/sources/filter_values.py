"""Check the filters of a job against the columns' types, the same for every kind of source.

A comparison with NULL is never true, as in SQL: `!=` and `not_in` leave rows with NULL out.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any

import pyarrow as pa

from staging.core.errors import FieldError, InvalidValue
from staging.core.source_spec import OPERATORS, SourceSpec

NULL_TESTS = frozenset({"is_null", "not_null"})
LISTS = frozenset({"in", "not_in"})
_MOST_VALUES = 10_000
_MOST_DIGITS = 400
"""Of a decimal written out, before or after its point: a short exponent can mean a gigabyte."""
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


class ValueKind(Enum):
    """What a filter's value must be; `OPAQUE` columns can be tested for NULL only."""

    BOOLEAN = "true or false"
    INTEGER = "a whole number"
    FLOAT = "a number"
    DECIMAL = f"a number of at most {_MOST_DIGITS} digits, or a text that is one"
    TEXT = "a text"
    DATE = "a date, YYYY-MM-DD"
    TIMESTAMP = "a time without offset, YYYY-MM-DDTHH:MM:SS"
    INSTANT = "a time, YYYY-MM-DDTHH:MM:SS, in UTC unless it has an offset"
    TIME = "a time of day, HH:MM:SS"
    OPAQUE = "left out"


@dataclass(frozen=True, slots=True)
class TypedFilter:
    """A checked filter; `value` is a Python value, or a tuple of them for in and not_in."""

    index: int
    column: str
    op: str
    value: Any


def value_kind(kind: pa.DataType) -> ValueKind:
    """Tell what a filter on a column of this Arrow type compares with."""
    for test, found in _KINDS:
        if test(kind):
            return found
    if pa.types.is_timestamp(kind):
        return ValueKind.INSTANT if kind.tz else ValueKind.TIMESTAMP
    return ValueKind.OPAQUE


def check_filters(spec: SourceSpec, kinds: Mapping[str, ValueKind]) -> tuple[TypedFilter, ...]:
    """Give the filters with their values as Python values; every column must be in `kinds`.

    Raises InvalidValue with a pointer to each operator or value that does not fit.
    """
    checked: list[TypedFilter] = []
    errors: list[FieldError] = []
    for i, each in enumerate(spec.filters):
        try:
            _check_operator(each.op, kinds[each.column])
            value = _typed(each.op, kinds[each.column], each.value)
            checked.append(TypedFilter(i, each.column, each.op, value))
        except _BadOperator as problem:
            errors.append(FieldError(f"#/source/filters/{i}/op", str(problem)))
        except ValueError as problem:
            errors.append(FieldError(f"#/source/filters/{i}/value", str(problem)))
    if errors:
        raise InvalidValue(errors[0].detail, errors)
    return tuple(checked)


def bad_value(index: int, detail: str) -> InvalidValue:
    """Give the error of one filter's value."""
    return InvalidValue(detail, [FieldError(f"#/source/filters/{index}/value", detail)])


class _BadOperator(ValueError):
    pass


def _check_operator(op: str, kind: ValueKind) -> None:
    if op not in OPERATORS:
        raise _BadOperator(f"must be one of {' '.join(OPERATORS)}")
    if op == "like" and kind is not ValueKind.TEXT:
        raise _BadOperator("like needs a column of text")
    if kind is ValueKind.OPAQUE and op not in NULL_TESTS:
        raise _BadOperator("this column's type can be tested by is_null and not_null only")


def _typed(op: str, kind: ValueKind, value: Any) -> Any:
    if op in NULL_TESTS:
        if value is not None:
            raise ValueError(f"{op} takes no value")
        return None
    if op not in LISTS:
        return _value(kind, value)
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise ValueError(f"{op} takes a list of at least one value")
    if len(value) > _MOST_VALUES:
        raise ValueError(f"{op} takes at most {_MOST_VALUES} values")
    return tuple(_value(kind, each) for each in value)


def _value(kind: ValueKind, value: Any) -> Any:
    try:
        return _READERS[kind](value)
    except (TypeError, ValueError, InvalidOperation, OverflowError):
        raise ValueError(f"must be {kind.value}") from None


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError
    return value


def _float(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError
    return float(value)


def _decimal(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError
    text = str(value).strip()
    found = Decimal(text)
    is_short = len(found.as_tuple().digits) <= _MOST_DIGITS and abs(found.adjusted()) < _MOST_DIGITS
    if not (found.is_finite() and is_short):
        raise TypeError
    return found


def _text(value: Any) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise TypeError
    value.encode()
    return value


def _date(value: Any) -> date:
    if not _DATE.fullmatch(_text(value)):
        raise TypeError
    return date.fromisoformat(value)


def _timestamp(value: Any) -> datetime:
    found = datetime.fromisoformat(_text(value))
    if found.tzinfo is not None:
        raise TypeError
    return found


def _instant(value: Any) -> datetime:
    found = datetime.fromisoformat(_text(value))
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _time(value: Any) -> time:
    found = time.fromisoformat(_text(value))
    if found.tzinfo is not None:
        raise TypeError
    return found


_READERS: Mapping[ValueKind, Callable[[Any], Any]] = {
    ValueKind.BOOLEAN: _boolean,
    ValueKind.INTEGER: _integer,
    ValueKind.FLOAT: _float,
    ValueKind.DECIMAL: _decimal,
    ValueKind.TEXT: _text,
    ValueKind.DATE: _date,
    ValueKind.TIMESTAMP: _timestamp,
    ValueKind.INSTANT: _instant,
    ValueKind.TIME: _time,
}

_KINDS: Sequence[tuple[Callable[[pa.DataType], bool], ValueKind]] = (
    (pa.types.is_boolean, ValueKind.BOOLEAN),
    (pa.types.is_integer, ValueKind.INTEGER),
    (pa.types.is_floating, ValueKind.FLOAT),
    (pa.types.is_decimal, ValueKind.DECIMAL),
    (pa.types.is_string, ValueKind.TEXT),
    (pa.types.is_large_string, ValueKind.TEXT),
    (pa.types.is_date, ValueKind.DATE),
    (pa.types.is_time, ValueKind.TIME),
)
