"""Give the Arrow types of Iceberg columns: https://iceberg.apache.org/spec/#primitive-types."""

from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
from pyiceberg import types

from staging.core.errors import SourceUnsupported
from staging.sources.iceberg.field_ids import with_id

_PRIMITIVES: Mapping[type[types.IcebergType], Callable[[Any], pa.DataType]] = {
    types.BooleanType: lambda _: pa.bool_(),
    types.IntegerType: lambda _: pa.int32(),
    types.LongType: lambda _: pa.int64(),
    types.FloatType: lambda _: pa.float32(),
    types.DoubleType: lambda _: pa.float64(),
    types.DecimalType: lambda kind: pa.decimal128(kind.precision, kind.scale),
    types.DateType: lambda _: pa.date32(),
    types.TimeType: lambda _: pa.time64("us"),
    types.TimestampType: lambda _: pa.timestamp("us"),
    types.TimestamptzType: lambda _: pa.timestamp("us", "UTC"),
    types.TimestampNanoType: lambda _: pa.timestamp("ns"),
    types.TimestamptzNanoType: lambda _: pa.timestamp("ns", "UTC"),
    types.StringType: lambda _: pa.string(),
    types.UUIDType: lambda _: pa.binary(16),
    types.FixedType: lambda kind: pa.binary(len(kind)),
    types.BinaryType: lambda _: pa.binary(),
}


def arrow_field(field: types.NestedField) -> pa.Field:
    """Give a column's Arrow field, with its field ids.

    Raises SourceUnsupported for a type that is not known here, or a default for older rows.
    """
    if field.initial_default is not None:
        raise SourceUnsupported(
            f"column {field.name!r} has a default for older rows, which is not supported"
        )
    kind = _arrow_type(field.field_type)
    if kind is None:
        raise SourceUnsupported(
            f"column {field.name!r} is of type {field.field_type}, which is not supported"
        )
    return with_id(pa.field(field.name, kind), field.field_id)


def _arrow_type(kind: types.IcebergType) -> pa.DataType | None:
    if isinstance(kind, types.StructType):
        return pa.struct([arrow_field(field) for field in kind.fields])
    if isinstance(kind, types.ListType):
        return pa.list_(arrow_field(kind.element_field))
    if isinstance(kind, types.MapType):
        key, value = arrow_field(kind.key_field), arrow_field(kind.value_field)
        return pa.map_(key.with_nullable(False), value)
    found = _PRIMITIVES.get(type(kind))
    return found(kind) if found is not None else None
