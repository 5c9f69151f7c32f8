"""Choose each column's Parquet encoding from a sample of its values."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

_SAMPLE_ROWS = 32_768
_SAMPLE_BYTES = 8 << 20
"""A column with more than this in the sample has long values, and is not searched for repeats."""
_REPEATS = 8
"""A dictionary pays where a value comes up so often; on lineitem, trying and giving up costs a
fifth of the encoding time and a seventh of the file."""
_LONGEST_INTEGER_DECIMAL = 18
"""Digits that Parquet stores as INT64 (LogicalTypes.md, DECIMAL)."""


@dataclass(frozen=True, slots=True)
class Encodings:
    """Columns with a dictionary, the encoding of others where it is not PLAIN, and statistics.

    Statistics are kept of values of fixed width only: of a 100 MB value pyarrow would hold six
    copies to find the least and the greatest, and would not write them anyway.
    """

    dictionary: tuple[str, ...]
    others: dict[str, str]
    statistics: tuple[str, ...]


def choose_encodings(sample: pa.Table) -> Encodings:
    """Give repeated values a dictionary, and the rest of the flat columns a delta or split form.

    Encodings of Parquet 2 only (Encodings.md of the format).
    """
    rows = sample.slice(0, _SAMPLE_ROWS)
    flat = [field for field in sample.schema if not pa.types.is_nested(field.type)]
    repeated = tuple(field.name for field in flat if _repeats(rows.column(field.name)))
    chosen = {field.name: _encoding(field.type) for field in flat if field.name not in repeated}
    return Encodings(
        dictionary=repeated,
        others={name: each for name, each in chosen.items() if each is not None},
        statistics=tuple(field.name for field in flat if _has_small_values(field.type)),
    )


def _repeats(column: pa.ChunkedArray) -> bool:
    if pa.types.is_boolean(column.type):
        return False
    if pa.types.is_dictionary(column.type) or pa.types.is_null(column.type):
        return True
    if column.nbytes > _SAMPLE_BYTES:
        return False
    distinct = pc.count_distinct(column, mode="all").as_py()
    return bool(distinct * _REPEATS <= len(column))


def _has_small_values(kind: pa.DataType) -> bool:
    return bool(pa.types.is_primitive(kind) or pa.types.is_decimal(kind))


def _encoding(kind: pa.DataType) -> str | None:
    if pa.types.is_decimal(kind):
        return "DELTA_BINARY_PACKED" if kind.precision <= _LONGEST_INTEGER_DECIMAL else None
    if pa.types.is_integer(kind) or pa.types.is_temporal(kind):
        return "DELTA_BINARY_PACKED"
    if pa.types.is_float32(kind) or pa.types.is_float64(kind):
        return "BYTE_STREAM_SPLIT"
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        return "DELTA_LENGTH_BYTE_ARRAY"
    return None
