"""How DuckDB's types are staged: natively where Arrow and Parquet hold them, else as text."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from staging.sources.filter_values import ValueKind, value_kind

_NATIVE: Mapping[str, pa.DataType] = {
    "BOOLEAN": pa.bool_(),
    "TINYINT": pa.int8(),
    "SMALLINT": pa.int16(),
    "INTEGER": pa.int32(),
    "BIGINT": pa.int64(),
    "UTINYINT": pa.uint8(),
    "USMALLINT": pa.uint16(),
    "UINTEGER": pa.uint32(),
    "UBIGINT": pa.uint64(),
    "FLOAT": pa.float32(),
    "DOUBLE": pa.float64(),
    "VARCHAR": pa.string(),
    "BLOB": pa.binary(),
}
_GUARDED: Mapping[str, tuple[pa.DataType, str, str]] = {
    "DATE": (pa.date32(), "{}", "isinf({})"),
    "TIME": (pa.time64("us"), "{}", "{} = TIME '24:00:00'"),
    "TIMESTAMP": (pa.timestamp("us"), "{}", "isinf({})"),
    "TIMESTAMP_MS": (pa.timestamp("ms"), "{}", "isinf({})"),
    "TIMESTAMP_NS": (pa.timestamp("ns"), "{}", "isinf({})"),
    "TIMESTAMP_S": (pa.timestamp("ms"), "{}::TIMESTAMP_MS", "isinf({})"),  # Parquet has no seconds
    "TIMESTAMP WITH TIME ZONE": (pa.timestamp("us", "UTC"), "{}", "isinf({})"),
}
"""The type, the SQL of the value, and of what the type does not hold."""
_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")
_LIST = re.compile(r"(?P<of>[A-Z]+)\[\d*\]")
_PUSHED = frozenset({ValueKind.BOOLEAN, ValueKind.INTEGER, ValueKind.TEXT})


@dataclass(frozen=True, slots=True)
class ColumnRule:
    """One column: its Arrow type, the SQL of its value, and of what no such type holds."""

    name: str
    arrow: pa.DataType
    value: str
    unrepresentable: str | None = None

    @property
    def is_filtered_by_engine(self) -> bool:
        """Tell whether DuckDB compares such values as the service promises.

        Floats (NaN), decimals and times are compared by Arrow, as for files.
        """
        return value_kind(self.arrow) in _PUSHED


def rule_of(name: str, declared: str) -> ColumnRule:
    """Give the rule of a column by its type as DESCRIBE spells it."""
    quoted = quote_name(name)
    if declared in _NATIVE:
        return ColumnRule(name, _NATIVE[declared], quoted)
    if declared in _GUARDED:
        arrow, *templates = _GUARDED[declared]
        return ColumnRule(name, arrow, *(each.replace("{}", quoted) for each in templates))
    if decimal := _DECIMAL.fullmatch(declared):
        return ColumnRule(name, pa.decimal128(int(decimal[1]), int(decimal[2])), quoted)
    if (listed := _LIST.fullmatch(declared)) and listed["of"] in _NATIVE:
        return ColumnRule(name, pa.list_(_NATIVE[listed["of"]]), f"{quoted}::{listed['of']}[]")
    return ColumnRule(name, pa.string(), f"{quoted}::VARCHAR")


def quote_name(name: str) -> str:
    """Quote an identifier."""
    return '"' + name.replace('"', '""') + '"'
