"""Read Arrow types from their text, as the manifest names them."""

import re

import pyarrow as pa

from staging_client.errors import UnexpectedAnswer
from staging_client.views import Column

_DECIMAL = re.compile(r"decimal(32|64|128|256)\((\d+), (-?\d+)\)")
_ZONED = re.compile(r"timestamp\[(s|ms|us|ns), tz=(.+)\]")
_FIXED = re.compile(r"fixed_size_binary\[(\d+)\]")
_LIST = re.compile(r"(large_)?list<(\w+): (.+?)( not null)?>")


def schema_of(columns: tuple[Column, ...]) -> pa.Schema:
    """Give the Arrow schema of a manifest's columns; raises UnexpectedAnswer."""
    return pa.schema([pa.field(each.name, type_of(each.type), each.nullable) for each in columns])


def type_of(text: str) -> pa.DataType:
    """Give the Arrow type whose text this is; raises UnexpectedAnswer for one that is not known."""
    if found := _DECIMAL.fullmatch(text):
        make = getattr(pa, f"decimal{found[1]}")
        return make(int(found[2]), int(found[3]))
    if found := _ZONED.fullmatch(text):
        return pa.timestamp(found[1], found[2])
    if found := _FIXED.fullmatch(text):
        return pa.binary(int(found[1]))
    if found := _LIST.fullmatch(text):
        item = pa.field(found[2], type_of(found[3]), nullable=not found[4])
        return pa.large_list(item) if found[1] else pa.list_(item)
    return _plain(text)


def _plain(text: str) -> pa.DataType:
    if text == "month_day_nano_interval":
        return pa.month_day_nano_interval()
    try:
        return pa.type_for_alias(text)
    except ValueError:
        raise UnexpectedAnswer(f"this client knows no Arrow type {text!r}") from None
