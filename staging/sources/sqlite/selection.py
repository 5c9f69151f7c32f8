"""Build the SELECT of a job on SQLite, its values bound."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pyarrow as pa

from staging.core.errors import SourceUnsupported
from staging.core.source_spec import SourceSpec
from staging.sources.column_choice import choose_columns
from staging.sources.connection import Connection
from staging.sources.filter_values import (
    LISTS,
    NULL_TESTS,
    TypedFilter,
    bad_value,
    check_filters,
    value_kind,
)
from staging.sources.sqlite.affinity import ColumnRule
from staging.sources.sqlite.database import columns_of, from_clause, quote_name

_SYMBOLS: Mapping[str, str] = {"!=": "<>", "in": "IN", "not_in": "NOT IN", "like": "LIKE"}


@dataclass(frozen=True, slots=True)
class Selection:
    """A SELECT, its bound values, and the rules of its columns in order."""

    sql: str
    values: tuple[Any, ...]
    columns: tuple[ColumnRule, ...]

    @property
    def schema(self) -> pa.Schema:
        """The job's schema."""
        return pa.schema([pa.field(each.name, each.arrow) for each in self.columns])


def select(database: sqlite3.Connection, connection: Connection, spec: SourceSpec) -> Selection:
    """Check a job's source against the database and build its SELECT.

    Raises what Source.describe raises.
    """
    source = from_clause(database, connection, spec)
    columns = columns_of(database, spec, source)
    chosen = choose_columns(spec, [each.name for each in columns])
    rules = {each.name: each for each in columns}
    kinds = {name: value_kind(each.arrow) for name, each in rules.items()}
    filters = check_filters(spec, kinds)
    conditions = ["1", *map(_condition, filters)]
    values = tuple(value for each in filters for value in _bound(each))
    names = ", ".join(quote_name(name) for name in chosen)
    sql = f"SELECT {names} FROM {source} WHERE {' AND '.join(conditions)}"
    selection = Selection(sql, values, tuple(rules[name] for name in chosen))
    _try(database, selection)
    return selection


def _condition(each: TypedFilter) -> str:
    name = quote_name(each.column)
    if each.op in NULL_TESTS:
        return f"{name} IS {'NOT ' if each.op == 'not_null' else ''}NULL"
    symbol = _SYMBOLS.get(each.op, each.op)
    if each.op in LISTS:
        return f"{name} {symbol} ({', '.join('?' * len(each.value))})"
    # The escape is the backslash, as in Postgres.
    return f"{name} {symbol} ?" + (" ESCAPE '\\'" if each.op == "like" else "")


def _bound(each: TypedFilter) -> list[Any]:
    if each.op in NULL_TESTS:
        return []
    values = each.value if each.op in LISTS else (each.value,)
    return [_stored(each, value) for value in values]


def _stored(each: TypedFilter, value: Any) -> Any:
    """Give a value as SQLite would store it in a column of that type."""
    if isinstance(value, Decimal):
        value = int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise bad_value(each.index, "does not fit int64")
    return int(value) if isinstance(value, bool) else value


def _try(database: sqlite3.Connection, selection: Selection) -> None:
    """Have SQLite compile the SELECT, reading nothing."""
    try:
        database.execute(f"{selection.sql} LIMIT 0", selection.values)
    except (sqlite3.OperationalError, sqlite3.ProgrammingError) as error:
        raise SourceUnsupported("the source has something that SQLite cannot select") from error
