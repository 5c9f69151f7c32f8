"""Apply a job's filters to record batches, for sources that cannot filter by themselves."""

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from staging.core.source_spec import SourceSpec
from staging.sources.filter_values import TypedFilter, bad_value, check_filters, value_kind

_COMPARE: Mapping[str, Callable[[pc.Expression, pc.Expression], pc.Expression]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def filter_expression(spec: SourceSpec, schema: pa.Schema) -> pc.Expression | None:
    """Give the filters as one expression over the schema's columns; None without filters.

    Raises InvalidValue with a pointer to each operator or value that does not fit.
    """
    kinds = {field.name: value_kind(field.type) for field in schema}
    found: pc.Expression | None = None
    for each in check_filters(spec, kinds):
        condition = _condition(each, schema.field(each.column).type)
        found = condition if found is None else found & condition
    return found


def _condition(each: TypedFilter, kind: pa.DataType) -> pc.Expression:
    column = pc.field(each.column)
    if each.op == "is_null":
        return column.is_null()
    if each.op == "not_null":
        return column.is_valid()
    if each.op == "like":
        return pc.match_like(column, each.value)
    if each.op == "in":
        return column.isin(_array(each, each.value, kind))
    if each.op == "not_in":
        return column.is_valid() & ~column.isin(_array(each, each.value, kind))
    return _COMPARE[each.op](column, _array(each, [each.value], kind)[0])


def _array(each: TypedFilter, values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Give the values in the column's own type; a decimal may have more digits than the column."""
    try:
        if pa.types.is_decimal(kind) and each.op not in {"in", "not_in"}:
            return pa.array(values)
        return pa.array(values, kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        raise bad_value(each.index, f"does not fit {kind}") from None
