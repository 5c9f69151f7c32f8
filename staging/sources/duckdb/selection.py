"""Build the SELECT of a job on DuckDB: columns by their rules, filters bound."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from staging.core.errors import FieldError, InvalidValue, SourceUnsupported, UnknownTable
from staging.core.source_spec import SourceSpec
from staging.sources.arrow_filters import filter_expression
from staging.sources.column_choice import choose_columns
from staging.sources.connection import Connection
from staging.sources.duckdb.column_rules import ColumnRule, quote_name, rule_of
from staging.sources.filter_values import NULL_TESTS, TypedFilter, check_filters, value_kind
from staging.sources.nearest import nearest_names
from staging.sources.qualified_name import readings_of

_RELATIONS = """
SELECT schema_name, table_name, true FROM duckdb_tables() WHERE NOT internal
    AND database_name = current_database()
UNION ALL
SELECT schema_name, view_name, false FROM duckdb_views() WHERE NOT internal
    AND database_name = current_database()
"""
_SYMBOLS = {"!=": "<>", "in": "IN", "not_in": "NOT IN", "like": "LIKE"}


@dataclass(frozen=True, slots=True)
class Selection:
    """What is read: FROM and WHERE with bound values, the columns' rules, what Arrow filters."""

    source: str
    condition: str
    values: tuple[Any, ...]
    rules: tuple[ColumnRule, ...]
    """The job's columns in order, then those that only Arrow's filter needs."""
    schema: pa.Schema
    kept: pc.Expression | None
    has_row_ids: bool

    def sql(self, rows: Sequence[int] | None) -> str:
        """Give the SELECT, of half-open `rows` of a table or of all; flags follow the values."""
        values = ", ".join(f"{_guarded(each)} AS {quote_name(each.name)}" for each in self.rules)
        flags = "".join(f", coalesce({each.unrepresentable}, false)" for each in self.guarded)
        ranged = f" AND rowid >= {rows[0]} AND rowid < {rows[1]}" if rows else ""
        return f"SELECT {values}{flags} FROM {self.source} WHERE {self.condition}{ranged}"

    @property
    def guarded(self) -> list[ColumnRule]:
        """The columns that have a flag, in the order of the flags."""
        return [each for each in self.rules if each.unrepresentable is not None]


def select(
    database: duckdb.DuckDBPyConnection, connection: Connection, spec: SourceSpec
) -> Selection:
    """Check a job's source against the database and build its SELECT.

    Raises what Source.describe raises.
    """
    source, is_table = _source(database, connection, spec)
    rules = _rules(database, spec, source)
    chosen = choose_columns(spec, list(rules))
    types = pa.schema([(each.name, each.arrow) for each in rules.values()])
    filter_expression(spec, types)  # checks all of them, Arrow's or not
    checked = check_filters(spec, {name: value_kind(each.arrow) for name, each in rules.items()})
    pushed = [each for each in checked if rules[each.column].is_filtered_by_engine]
    left = [each for each in spec.filters if not rules[each.column].is_filtered_by_engine]
    needed = dict.fromkeys([*chosen, *(each.column for each in left)])
    return Selection(
        source,
        " AND ".join(["true", *(_condition(each, rules[each.column]) for each in pushed)]),
        tuple(value for each in pushed for value in _bound(each)),
        tuple(rules[name] for name in needed),
        pa.schema([types.field(name) for name in chosen]),
        filter_expression(replace(spec, filters=tuple(left)), types),
        is_table and not any(name.lower() == "rowid" for name in rules),
    )


def _source(
    database: duckdb.DuckDBPyConnection, connection: Connection, spec: SourceSpec
) -> tuple[str, bool]:
    """Give the SQL of what is read, and whether it is a table."""
    if spec.query is not None and connection.allow_query:
        return f"(\n{spec.query.strip().rstrip(';')}\n)", False
    if spec.table is None:
        what = "does not allow queries" if spec.query is not None else "has no paths"
        detail = f"connection {connection.name} {what}; name a table"
        raise InvalidValue(detail, [FieldError(spec.pointer, detail)])
    known = {(schema, name): is_table for schema, name, is_table in _relations(database)}
    for schema, name in [(None, spec.table), *readings_of(spec.table)]:
        place = (schema or "main", name)
        if place in known:
            return ".".join(map(quote_name, place)), known[place]
    shown = [name if schema == "main" else f"{schema}.{name}" for schema, name in known]
    detail = f"there is no table {spec.table!r}{nearest_names(spec.table, shown)}"
    raise UnknownTable(detail, [FieldError("#/source/table", detail)])


def _relations(database: duckdb.DuckDBPyConnection) -> list[tuple[Any, ...]]:
    return database.execute(_RELATIONS).fetchall()


def _rules(
    database: duckdb.DuckDBPyConnection, spec: SourceSpec, source: str
) -> dict[str, ColumnRule]:
    statement = f"DESCRIBE SELECT * FROM {source}"
    try:
        if len(database.extract_statements(statement)) != 1:
            raise duckdb.ParserException
        columns = database.execute(statement).fetchall()
    except duckdb.Error as error:
        if spec.query is None:
            raise SourceUnsupported(
                "DuckDB cannot select from it: a view may not read other files or databases"
            ) from error
        detail = "the source refuses the query; give one SELECT over its own tables"
        raise InvalidValue(detail, [FieldError("#/source/query", detail)]) from error
    return {name: rule_of(name, declared) for name, declared, *_ in columns}


def _guarded(rule: ColumnRule) -> str:
    if rule.unrepresentable is None:
        return rule.value
    return f"CASE WHEN {rule.unrepresentable} THEN NULL ELSE {rule.value} END"


def _condition(each: TypedFilter, rule: ColumnRule) -> str:
    if each.op in NULL_TESTS:
        return f"{rule.value} IS {'NOT ' if each.op == 'not_null' else ''}NULL"
    symbol = _SYMBOLS.get(each.op, each.op)
    if isinstance(each.value, tuple):
        return f"{rule.value} {symbol} ({', '.join('?' * len(each.value))})"
    # The escape is the backslash, as in Postgres.
    return f"{rule.value} {symbol} ?" + (" ESCAPE '\\'" if each.op == "like" else "")


def _bound(each: TypedFilter) -> Sequence[Any]:
    if each.op in NULL_TESTS:
        return ()
    return each.value if isinstance(each.value, tuple) else (each.value,)
