"""Build the SELECT of a job, and what Arrow filters after it."""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from staging.core.source_spec import SourceSpec
from staging.sources.arrow_filters import filter_expression
from staging.sources.column_choice import choose_columns
from staging.sources.connection import Connection
from staging.sources.filter_values import TypedFilter, ValueKind, check_filters
from staging.sources.sqlalchemy.catalogue import Table, find_table
from staging.sources.sqlalchemy.column_rules import ColumnRule

_COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True, slots=True)
class Selection:
    """A SELECT, its columns in order (those that only filters name come last), and the filter."""

    statement: sa.Select[*tuple[Any, ...]]
    rules: Mapping[str, ColumnRule]
    schema: pa.Schema
    kept: pc.Expression | None
    filtered: frozenset[str]


def select(session: sa.Connection, connection: Connection, spec: SourceSpec) -> Selection:
    """Check a job's source against the database's own catalogue and build its SELECT.

    Raises what Source.describe raises.
    """
    table = find_table(session, connection, spec)
    chosen = choose_columns(spec, table.columns)
    filtered = [each.column for each in spec.filters]
    rules = {name: table.rule(name) for name in (*chosen, *filtered)}
    checked = check_filters(spec, {name: each.value_kind for name, each in rules.items()})
    types = pa.schema([(name, each.arrow) for name, each in rules.items()])
    columns = (table.column(name, each.read_as) for name, each in rules.items())
    conditions = (_condition(each, table) for each in checked if _is_alike(each, rules))
    return Selection(
        statement=sa.select(*columns).select_from(table.clause).where(*conditions),
        rules=rules,
        schema=pa.schema([types.field(name) for name in chosen]),
        kept=filter_expression(spec, types),
        filtered=frozenset(filtered),
    )


def _is_alike(each: TypedFilter, rules: Mapping[str, ColumnRule]) -> bool:
    """Tell whether every database compares so: texts, floats and times differ from one to another.

    What is not asked of the database is left to Arrow, which sees every filter anyway.
    """
    is_whole = rules[each.column].value_kind is ValueKind.INTEGER and each.op in _COMPARE
    return is_whole or each.op in {"is_null", "not_null"}


def _condition(each: TypedFilter, table: Table) -> sa.ColumnElement[bool]:
    # The value is a BIGINT, whatever smaller one the column is.
    column = table.column(each.column, sa.BigInteger())
    if each.op == "is_null":
        return column.is_(None)
    if each.op == "not_null":
        return column.is_not(None)
    compared: sa.ColumnElement[bool] = _COMPARE[each.op](column, each.value)
    return compared
