"""The SQL of a job's filters: values are quoted, texts compared by their characters."""

import struct
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa

from staging.sources.filter_values import LISTS, NULL_TESTS, TypedFilter, ValueKind, bad_value
from staging.sources.mysql.quoting import quote_literal, quote_name
from staging.sources.mysql.type_rules import TypeRule

_SYMBOLS: Mapping[str, str] = {"!=": "<>", "in": "IN", "not_in": "NOT IN"}
_MOST_DIGITS, _MOST_DECIMALS = 65, 30


def condition(checked: TypedFilter, rule: TypeRule) -> str:
    """Give the condition of one filter.

    Raises InvalidValue with a pointer if no number of the server is exactly the filter's.
    """
    name = quote_name(checked.column)
    if checked.op in NULL_TESTS:
        return f"{name} IS {'NOT ' if checked.op == 'not_null' else ''}NULL"
    if checked.op == "like":
        pattern = quote_literal(checked.value)
        return f"CONVERT({name} USING utf8mb4) COLLATE utf8mb4_bin LIKE {pattern} ESCAPE '\\\\'"
    compared = rule.compared.format(name)
    symbol = _SYMBOLS.get(checked.op, checked.op)
    if checked.op in LISTS:
        values = ", ".join(_literal(checked, each, rule) for each in checked.value)
        return f"{compared} {symbol} ({values})"
    return f"{compared} {symbol} {_literal(checked, checked.value, rule)}"


def _literal(checked: TypedFilter, value: Any, rule: TypeRule) -> str:
    if isinstance(value, Decimal):
        return _decimal(checked, value)
    if isinstance(value, float):
        return _double(_as_float32(value) if pa.types.is_float32(rule.arrow) else value)
    if isinstance(value, int):
        return _integer(checked, value)
    if isinstance(value, datetime):
        return quote_literal(_naive(value).isoformat(" "))
    if isinstance(value, date | time):
        return quote_literal(value.isoformat())
    quoted = quote_literal(value)
    return f"CAST({quoted} AS BINARY)" if rule.value_kind is ValueKind.TEXT else quoted


def _integer(checked: TypedFilter, value: int) -> str:
    if not -(2**63) <= value < 2**64:
        raise bad_value(checked.index, "does not fit int64 or uint64")
    return str(int(value))


def _decimal(checked: TypedFilter, value: Decimal) -> str:
    """Write all digits: with an exponent it would be a double."""
    text = f"{value:f}"
    digits, _, decimals = text.lstrip("-").partition(".")
    if len(decimals) > _MOST_DECIMALS or len(digits) + len(decimals) > _MOST_DIGITS:
        problem = f"has more than {_MOST_DIGITS} digits, or {_MOST_DECIMALS} decimals"
        raise bad_value(checked.index, problem)
    return text


def _double(value: float) -> str:
    text = repr(value)
    return text if "e" in text else f"{text}e0"


def _as_float32(value: float) -> float:
    """Round to what a column of floats may hold, as that is what is compared."""
    try:
        rounded: float = struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        return value
    return rounded


def _naive(value: datetime) -> datetime:
    return value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)
