"""How each Postgres type is read: exactly as it is, or as text where the engine would change it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

import pyarrow as pa

from staging.sources.filter_values import ValueKind

_NUMERIC, _BPCHAR = 1700, 1042
_MOST_DIGITS = 38


class Guard(Enum):
    """What must be watched while a column is read, because the engine would change it silently."""

    NONE = "none"
    RANGE = "range"
    """Infinity and out-of-range values arrive as integers outside the type's range."""
    NAN = "nan"
    """A NaN arrives as 0."""
    DIMENSIONS = "dimensions"
    """The engine reads arrays of one dimension only."""


@dataclass(frozen=True, slots=True)
class TypeRule:
    """How a column of one type is selected and what comes out of it."""

    arrow: pa.DataType
    value_kind: ValueKind
    cast: str = ""
    """SQL after the column's name, `::text` for one."""
    guard: Guard = Guard.NONE


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """One column as the server's catalogue has it, domains resolved to what they are made of."""

    name: str
    type_oid: int
    modifier: int
    element_oid: int
    """The type of an array's elements, 0 if the column is no array."""
    dimensions: int
    comparison_type: str
    """The type, as SQL, that a filter's value is cast to."""


def rule_of(facts: ColumnFacts) -> TypeRule:
    """Give the rule of a column; a type without one of its own is read as text."""
    if facts.element_oid:
        return _array_rule(facts)
    if facts.type_oid == _NUMERIC:
        return _numeric_rule(facts.modifier)
    return _SCALARS.get(facts.type_oid, _AS_TEXT)


def _numeric_rule(modifier: int) -> TypeRule:
    """Read numeric(p,s) as decimal128(p,s); the engine has no exact form for any other numeric."""
    precision, scale = numeric_shape(modifier)
    if not 0 <= scale <= precision <= _MOST_DIGITS or precision == 0:
        return TypeRule(pa.string(), ValueKind.DECIMAL, "::text")
    return TypeRule(pa.decimal128(precision, scale), ValueKind.DECIMAL, guard=Guard.NAN)


def numeric_shape(modifier: int) -> tuple[int, int]:
    """Give precision and scale of a numeric's type modifier, (0, 0) if it has none.

    The layout is numeric.c's make_numeric_typmod: the scale is an 11-bit signed number.
    """
    if modifier < 0:
        return 0, 0
    packed = modifier - 4
    scale = packed & 0x7FF
    return packed >> 16, scale - 0x800 if scale & 0x400 else scale


def _array_rule(facts: ColumnFacts) -> TypeRule:
    if facts.dimensions > 1:
        return _AS_OPAQUE_TEXT
    element = _SCALARS.get(facts.element_oid, _AS_TEXT)
    if element.cast or element.guard is not Guard.NONE or facts.element_oid in _NOT_IN_ARRAYS:
        return TypeRule(pa.list_(pa.string()), ValueKind.OPAQUE, "::text[]", Guard.DIMENSIONS)
    return TypeRule(pa.list_(element.arrow), ValueKind.OPAQUE, guard=Guard.DIMENSIONS)


_AS_TEXT = TypeRule(pa.string(), ValueKind.TEXT, "::text")
_AS_OPAQUE_TEXT = TypeRule(pa.string(), ValueKind.OPAQUE, "::text")
_NOT_IN_ARRAYS = frozenset({17, _BPCHAR, _NUMERIC, 2950})
_SCALARS: Mapping[int, TypeRule] = {
    16: TypeRule(pa.bool_(), ValueKind.BOOLEAN),
    17: TypeRule(pa.binary(), ValueKind.OPAQUE),
    20: TypeRule(pa.int64(), ValueKind.INTEGER),
    21: TypeRule(pa.int16(), ValueKind.INTEGER),
    23: TypeRule(pa.int32(), ValueKind.INTEGER),
    25: TypeRule(pa.string(), ValueKind.TEXT),
    26: TypeRule(pa.int64(), ValueKind.INTEGER, "::int8"),
    114: _AS_OPAQUE_TEXT,
    700: TypeRule(pa.float32(), ValueKind.FLOAT),
    701: TypeRule(pa.float64(), ValueKind.FLOAT),
    # char(n) loses its trailing blanks, which SQL says are no part of the value.
    _BPCHAR: TypeRule(pa.string(), ValueKind.TEXT),
    1043: TypeRule(pa.string(), ValueKind.TEXT),
    1082: TypeRule(pa.date32(), ValueKind.DATE, guard=Guard.RANGE),
    1083: TypeRule(pa.time64("us"), ValueKind.TIME, guard=Guard.RANGE),
    1114: TypeRule(pa.timestamp("us"), ValueKind.TIMESTAMP, guard=Guard.RANGE),
    1184: TypeRule(pa.timestamp("us", "UTC"), ValueKind.INSTANT, guard=Guard.RANGE),
    2950: TypeRule(pa.string(), ValueKind.TEXT),
    3802: _AS_TEXT,
}
"""Type oid (pg_type.dat) → rule."""
