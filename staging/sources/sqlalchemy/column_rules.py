"""How SQLAlchemy's types are staged, and the values that drivers give for them."""

import datetime
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import types

from staging.sources.filter_values import ValueKind, value_kind

_MOST_DIGITS = 38
_CHARACTER_BYTES = 4
_PLAIN_BYTES = 64


@dataclass(frozen=True, slots=True)
class ColumnRule:
    """One column: its Arrow type, and how a driver's value becomes one of it.

    `value` gives None for what has no form in the type; `most_bytes` is a bound by declaration,
    None where nothing bounds a value.
    """

    arrow: pa.DataType
    value: Callable[[Any], Any]
    read_as: types.TypeEngine[Any] = types.NULLTYPE
    """What SQLAlchemy is told it is: nothing, where its own conversions round or guess."""
    value_kind: ValueKind = ValueKind.OPAQUE
    most_bytes: int | None = _PLAIN_BYTES

    def array(self, given: Sequence[Any]) -> tuple[pa.Array, pa.Array | None]:
        """Give the column, and if values have no form (they become NULL) which ones."""
        kept = [None if each is None else self.value(each) for each in given]
        try:
            values = pa.array(kept, self.arrow)
        except (pa.ArrowException, OverflowError, UnicodeEncodeError):
            values = pa.array([_one(each, self.arrow) for each in kept], self.arrow)
        if values.null_count == given.count(None):
            return values, None
        had = pa.array([each is not None for each in given])
        return values, pc.and_(had, values.is_null())


def rule_of(declared: types.TypeEngine[Any]) -> ColumnRule | None:
    """Give the rule of a reflected column; None if its type has no exact form here."""
    found = next((rule for kind, rule in _RULES if isinstance(declared, kind)), None)
    return found(declared) if found is not None else None


def _plain(arrow: pa.DataType, value: Callable[[Any], Any]) -> Callable[[Any], ColumnRule]:
    return lambda _: ColumnRule(arrow, value, value_kind=value_kind(arrow))


def _date_rule(declared: Any) -> ColumnRule:
    return ColumnRule(pa.date32(), _date, declared, ValueKind.DATE)


def _text_rule(declared: Any) -> ColumnRule:
    if declared.__visit_name__ in _BINARY_NAMES:
        return _bytes_rule(declared)
    length = getattr(declared, "length", None)
    bound = length * _CHARACTER_BYTES if length else None
    return ColumnRule(pa.string(), _text, types.NULLTYPE, ValueKind.TEXT, bound)


def _bytes_rule(declared: Any) -> ColumnRule:
    return ColumnRule(pa.binary(), _bytes, most_bytes=getattr(declared, "length", None))


def _number_rule(declared: Any) -> ColumnRule:
    precision, scale = declared.precision, declared.scale
    if precision and scale is not None and 0 <= scale <= precision <= _MOST_DIGITS:
        kind = pa.decimal128(precision, scale)
        return ColumnRule(kind, _decimal, value_kind=ValueKind.DECIMAL)
    return ColumnRule(pa.string(), _digits)


def _moment_rule(declared: Any) -> ColumnRule:
    is_zoned = bool(declared.timezone)

    def value(given: Any) -> datetime.datetime | None:
        is_right = isinstance(given, datetime.datetime) and (given.tzinfo is not None) == is_zoned
        return given if is_right else None

    kind = pa.timestamp("us", "UTC" if is_zoned else None)
    return ColumnRule(kind, value, declared, value_kind(kind))


def _time_rule(declared: Any) -> ColumnRule | None:
    if declared.timezone:
        return None
    return ColumnRule(pa.time64("us"), _time, declared, ValueKind.TIME)


def _truth(given: Any) -> bool | None:
    return bool(given) if given in (0, 1) else None


def _whole(given: Any) -> int | None:
    if isinstance(given, Decimal) and given.is_finite() and given == int(given):
        return int(given)
    return given if type(given) is int else None


def _real(given: Any) -> float | None:
    """Give a float; a driver's decimal only if the float is the same number."""
    if isinstance(given, float):
        return given
    if isinstance(given, int | Decimal):
        nearest = float(Decimal(given))
        return nearest if Decimal(nearest) == given else None
    return None


def _decimal(given: Any) -> Decimal | None:
    if isinstance(given, float):  # of a driver without decimals: what it would print
        given = Decimal(repr(given))
    if type(given) is int:
        given = Decimal(given)
    return given if isinstance(given, Decimal) and given.is_finite() else None


def _digits(given: Any) -> str | None:
    number = _decimal(given)
    return None if number is None else f"{number:f}"


def _text(given: Any) -> str | None:
    return given if isinstance(given, str) else None


def _uuid(given: Any) -> str | None:
    return str(given) if isinstance(given, str | uuid.UUID) else None


def _bytes(given: Any) -> bytes | None:
    return bytes(given) if isinstance(given, bytes | bytearray | memoryview) else None


def _date(given: Any) -> datetime.date | None:
    return given if type(given) is datetime.date else None


def _time(given: Any) -> datetime.time | None:
    return given if type(given) is datetime.time and given.tzinfo is None else None


def _one(given: Any, kind: pa.DataType) -> Any:
    try:
        return pa.scalar(given, kind).as_py()
    except (pa.ArrowException, OverflowError, UnicodeEncodeError):
        return None


_BINARY_NAMES = frozenset({"BINARY", "VARBINARY"})
"""Firebird's bytes are texts of a character set that is none."""
_RULES: Sequence[tuple[type[types.TypeEngine[Any]], Callable[[Any], ColumnRule | None]]] = (
    (types.Boolean, _plain(pa.bool_(), _truth)),
    (types.Integer, _plain(pa.int64(), _whole)),
    (types.Float, _plain(pa.float64(), _real)),
    (types.Numeric, _number_rule),
    (types.LargeBinary, _bytes_rule),
    (types.BINARY, _bytes_rule),
    (types.VARBINARY, _bytes_rule),
    (types.String, _text_rule),
    (types.Uuid, _plain(pa.string(), _uuid)),
    (types.Date, _date_rule),
    (types.Time, _time_rule),
    (types.DateTime, _moment_rule),
)
