"""Which type of a data file may stand for which type of the table, exactly.

Writers differ in how they store a type, and a column may have been widened since:
https://iceberg.apache.org/spec/#schema-evolution
"""

from collections.abc import Callable

import pyarrow as pa


def may_become(held: pa.DataType, wanted: pa.DataType) -> bool:
    """Tell whether a cast gives each value as it is, or says that it cannot."""
    if held == wanted:
        return True
    if pa.types.is_dictionary(held):
        return may_become(held.value_type, wanted)
    if pa.types.is_decimal(held) and pa.types.is_decimal(wanted):
        return bool(held.scale == wanted.scale and held.precision <= wanted.precision)
    if pa.types.is_timestamp(held) and pa.types.is_timestamp(wanted):
        return wanted.tz is not None or held.tz is None  # INT96 is UTC without saying so
    if pa.types.is_date32(held) and pa.types.is_timestamp(wanted):
        return bool(wanted.tz is None)
    return any(
        alike(held) and alike(wanted) and _width(held) <= _width(wanted) for alike in _FAMILIES
    )


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind)
    )


def _width(kind: pa.DataType) -> int:
    return int(kind.bit_width) if pa.types.is_primitive(kind) else 0


_FAMILIES: tuple[Callable[[pa.DataType], bool], ...] = (
    pa.types.is_signed_integer,
    pa.types.is_floating,
    pa.types.is_time,
    _is_text,
    _is_bytes,
)
