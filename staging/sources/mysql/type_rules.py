"""How each MySQL type is selected, and what comes out of it: exactly what is stored, or text."""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from staging.sources.filter_values import ValueKind
from staging.sources.mysql.rows import Field

_MOST_DIGITS = 38
_NOT_FIXED = 31
"""`decimals` of a double that is shown with as many digits as it needs."""
_DECIMALS, _BIT, _DOUBLE = frozenset({0, 246}), 16, 5
_STRINGS = frozenset({15, 247, 248, 249, 250, 251, 252, 253, 254})
_EXACT_CHARACTERS = frozenset({"latin1"})
"""Character sets of which every byte has a character in Unicode."""
_UTF8 = frozenset({"utf8mb4", "utf8mb3", "utf8"})


@dataclass(frozen=True, slots=True)
class TypeRule:
    """How a column of one type is selected, compared, and read; `{0}` is its quoted name."""

    arrow: pa.DataType
    value_kind: ValueKind
    selected: str = "{0}"
    compared: str = "{0}"


def rule_of(field: Field, characters: str) -> TypeRule:
    """Give the rule of a column; `characters` is the character set of its texts."""
    if field.type_code in _DECIMALS:
        return _decimal_rule(field)
    if field.type_code in _STRINGS:
        return _BYTES if field.is_binary else _text_rule(characters)
    if field.type_code == _BIT:
        return _ONE_BIT if field.length == 1 else _BITS
    if field.type_code == _DOUBLE and field.decimals < _NOT_FIXED:
        return _ROUNDED_DOUBLE
    integer = _INTEGERS.get(field.type_code)
    if integer is not None:
        return TypeRule(integer[field.is_unsigned], ValueKind.INTEGER)
    return _OTHERS.get(field.type_code, _BYTES if field.is_binary else _text_rule(characters))


def _decimal_rule(field: Field) -> TypeRule:
    """Undo the display length, which counts a sign and a point (decimal_precision_to_length)."""
    precision = field.length - (field.decimals > 0) - (not field.is_unsigned)
    if not 0 < precision <= _MOST_DIGITS or field.decimals > precision:
        return TypeRule(pa.string(), ValueKind.DECIMAL)
    return TypeRule(pa.decimal128(precision, field.decimals), ValueKind.DECIMAL)


def _text_rule(characters: str) -> TypeRule:
    """Read text as UTF-8, and compare it by its characters, whatever its collation says."""
    utf8 = "CONVERT({0} USING utf8mb4)"
    selected = utf8
    if characters in _UTF8:
        selected = "{0}"
    elif characters and characters not in _EXACT_CHARACTERS:
        selected = _NEVER_REPLACED.format("{0}", utf8, characters)
    return TypeRule(pa.string(), ValueKind.TEXT, selected, f"CAST({utf8} AS BINARY)")


_NEVER_REPLACED = (
    "IF(CHAR_LENGTH({1}) - CHAR_LENGTH(REPLACE({1}, '?', '')) <> CHAR_LENGTH({0}) - CHAR_LENGTH("
    "REPLACE({0} COLLATE {2}_bin, CONVERT('?' USING {2}), CONVERT('' USING {2}))), "
    "CAST(X'FF' AS BINARY), CAST({1} AS BINARY))"
)
"""A server puts `?` in place of what it cannot convert; then send what is no UTF-8 instead."""

_BYTES = TypeRule(pa.binary(), ValueKind.OPAQUE)
_ONE_BIT = TypeRule(pa.bool_(), ValueKind.BOOLEAN, "{0} + 0", "({0} + 0)")
_BITS = TypeRule(pa.uint64(), ValueKind.INTEGER, "{0} + 0", "({0} + 0)")
# A float is shown with 6 digits, a double with declared digits rounded; as doubles both are exact.
_FLOAT = TypeRule(pa.float32(), ValueKind.FLOAT, "{0} * 1e0")
_ROUNDED_DOUBLE = TypeRule(pa.float64(), ValueKind.FLOAT, "{0} * 1e0")
_INTEGERS: Mapping[int, tuple[pa.DataType, pa.DataType]] = {
    1: (pa.int8(), pa.uint8()),
    2: (pa.int16(), pa.uint16()),
    3: (pa.int32(), pa.uint32()),
    8: (pa.int64(), pa.uint64()),
    9: (pa.int32(), pa.uint32()),
}
"""Type code → signed, unsigned."""
_OTHERS: Mapping[int, TypeRule] = {
    4: _FLOAT,
    5: TypeRule(pa.float64(), ValueKind.FLOAT),
    # NULL without a type.
    6: TypeRule(pa.string(), ValueKind.OPAQUE),
    7: TypeRule(pa.timestamp("us", "UTC"), ValueKind.INSTANT),
    10: TypeRule(pa.date32(), ValueKind.DATE),
    # Up to ±838:59:59, which is no time of day.
    11: TypeRule(pa.string(), ValueKind.TIME),
    12: TypeRule(pa.timestamp("us"), ValueKind.TIMESTAMP),
    13: TypeRule(pa.string(), ValueKind.INTEGER, "{0}", "({0} + 0)"),
    245: TypeRule(pa.string(), ValueKind.OPAQUE),
    255: TypeRule(pa.binary(), ValueKind.OPAQUE, "ST_AsBinary({0})"),
}
"""Type code (MySQL documentation, enum_field_types) → rule."""
