"""Field ids of Iceberg columns, as Arrow keeps them: metadata of each field, nested ones too.

Columns of a data file are found by id, so that renaming one changes nothing:
https://iceberg.apache.org/spec/#column-projection
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

_KEY = b"PARQUET:field_id"


def with_id(field: pa.Field, number: int) -> pa.Field:
    """Give the field with its id, and no other metadata."""
    return field.with_metadata({_KEY: str(number).encode()})


def field_id(field: pa.Field) -> int | None:
    """Give the id of a field; None if it has none."""
    found = (field.metadata or {}).get(_KEY)
    return int(found) if found is not None else None


def without_ids(kind: pa.DataType) -> pa.DataType:
    """Give the type with nothing of its fields but names and types."""
    fields = [pa.field(each.name, without_ids(each.type)) for each in fields_of(kind)]
    if pa.types.is_struct(kind):
        return pa.struct(fields)
    if pa.types.is_map(kind):
        return pa.map_(fields[0].type, fields[1].type)
    return pa.list_(fields[0]) if fields else kind


def fields_of(kind: pa.DataType) -> list[pa.Field]:
    """Give the fields that a nested type is made of; none for any other type."""
    if pa.types.is_map(kind):
        return [kind.key_field, kind.item_field]
    if is_list(kind):
        return [kind.value_field]
    return list(kind) if pa.types.is_struct(kind) else []


def is_list(kind: pa.DataType) -> bool:
    """Tell whether the type is a list, of any layout."""
    return bool(
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )


def identified(
    schema: pa.Schema, mapping: Sequence[Mapping[str, Any]] | None
) -> list[pa.Field] | None:
    """Give a file's fields with ids: its own, or for a file without any those of the mapping.

    `mapping` is the table's `schema.name-mapping.default`.  None if there is neither.
    """
    if any(_has_ids(field) for field in schema):
        return list(schema)
    return [_mapped(field, mapping) for field in schema] if mapping is not None else None


def _has_ids(field: pa.Field) -> bool:
    return field_id(field) is not None or any(map(_has_ids, fields_of(field.type)))


def _mapped(field: pa.Field, mapping: Sequence[Mapping[str, Any]]) -> pa.Field:
    found = next((each for each in mapping if field.name in each["names"]), None)
    if found is None:
        return field.remove_metadata()
    kind = _mapped_type(field.type, found.get("fields", ()))
    typed = pa.field(field.name, kind, field.nullable)
    return with_id(typed, found["field-id"]) if found.get("field-id") is not None else typed


def _mapped_type(kind: pa.DataType, mapping: Sequence[Mapping[str, Any]]) -> pa.DataType:
    if pa.types.is_struct(kind):
        return pa.struct([_mapped(field, mapping) for field in kind])
    if pa.types.is_map(kind):
        key, value = kind.key_field.with_name("key"), kind.item_field.with_name("value")
        return pa.map_(_mapped(key, mapping), _mapped(value, mapping))
    if is_list(kind):  # writers name the element as they like, the mapping in one way
        return pa.list_(_mapped(kind.value_field.with_name("element"), mapping))
    return kind
