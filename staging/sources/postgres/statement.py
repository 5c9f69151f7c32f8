"""Build the SELECT of a job from checked names, bound values and a range of pages."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from enum import Enum
from typing import Any

import psycopg
import pyarrow as pa

from staging.core.errors import FieldError, InvalidValue, SourceUnsupported
from staging.core.source_spec import SourceSpec
from staging.sources.column_choice import choose_columns
from staging.sources.connection import Connection
from staging.sources.filter_values import LISTS, NULL_TESTS, TypedFilter, check_filters
from staging.sources.postgres.catalogue import Target, describe_target
from staging.sources.postgres.pages import PageRange
from staging.sources.postgres.quoting import quote_literal, quote_name
from staging.sources.postgres.type_rules import ColumnFacts, Guard, TypeRule, rule_of
from staging.sources.target_form import check_target_form

_WRONG_FILTER = ("22", "42883", "42804", "42846", "42725")
"""SQLSTATEs of a value or an operator that does not suit its column."""


class Watch(Enum):
    """How values that the engine would change are found."""

    LATER = "later"
    """By a second query, over stored rows only."""
    FLAGGED = "flagged"
    """The server sends NULL, and a flag beside it."""
    STOPPING = "stopping"
    """The server stops the query with an error at the first one."""


@dataclass(frozen=True, slots=True)
class SelectedColumn:
    """A column of the job, its rule, and how it is watched if its rule has a guard."""

    facts: ColumnFacts
    rule: TypeRule
    watch: Watch = Watch.LATER

    @property
    def name(self) -> str:
        """The column's name at the source and in the job's schema."""
        return self.facts.name

    @property
    def is_bad(self) -> str:
        """SQL that is true for a value that the engine would change."""
        if self.rule.guard is Guard.NAN:
            return f"{quote_name(self.name)} = 'NaN'::numeric"
        return f"array_ndims({quote_name(self.name)}) > 1"

    @property
    def value(self) -> str:
        """SQL of the column's value, NULL where it is flagged."""
        plain = f"{quote_name(self.name)}{self.rule.cast}"
        if self.watch is not Watch.FLAGGED:
            return plain
        kept = f"CASE WHEN {self.is_bad} THEN NULL ELSE {plain} END"
        if pa.types.is_decimal(self.rule.arrow):
            return f"({kept})::numeric({self.rule.arrow.precision},{self.rule.arrow.scale})"
        return kept


@dataclass(frozen=True, slots=True)
class Statement:
    """What a job reads, before it is cut into ranges."""

    target: Target
    columns: tuple[SelectedColumn, ...]
    conditions: tuple[str, ...]

    @property
    def schema(self) -> pa.Schema:
        """The job's schema; every column may hold NULL, as policy `null` may put one."""
        return pa.schema([pa.field(each.name, each.rule.arrow) for each in self.columns])

    def watched(self, watch: Watch) -> tuple[SelectedColumn, ...]:
        """Give the columns that are watched in one way, in order."""
        return tuple(each for each in self.columns if each.watch is watch)

    def rows(self, pages: PageRange | None) -> str:
        """Give the SELECT of all values, then all flags; names are positions, c0 … and g0 …."""
        selected = [f"{each.value} AS c{i}" for i, each in enumerate(self.columns)]
        flagged = self.watched(Watch.FLAGGED)
        selected += [f"({each.is_bad}) IS TRUE AS g{i}" for i, each in enumerate(flagged)]
        return f"SELECT {', '.join(selected)} {self._from(pages, *self._stop())}"

    def _stop(self) -> list[str]:
        """Give the condition that divides by zero at a bad value; `ctid` keeps it from folding."""
        bad = " OR ".join(each.is_bad for each in self.watched(Watch.STOPPING))
        return [f"CASE WHEN {bad} THEN 1 / (ctid <> ctid)::int = 0 ELSE true END"] if bad else []

    def bad_counts(self, columns: Sequence[SelectedColumn], pages: PageRange | None) -> str:
        """Give the SELECT that counts the bad values of some columns."""
        counts = [
            f"count(*) FILTER (WHERE {each.is_bad}) AS n{i}" for i, each in enumerate(columns)
        ]
        any_bad = " OR ".join(each.is_bad for each in columns)
        return f"SELECT {', '.join(counts)} {self._from(pages, f'({any_bad})')}"

    def _from(self, pages: PageRange | None, *more: str) -> str:
        conditions = [*self.conditions, *more, *([pages.condition] if pages else [])]
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        return f"FROM {self.target.sql}{where}"


def compile_statement(
    session: psycopg.Connection[Any], connection: Connection, spec: SourceSpec
) -> Statement:
    """Check a job's source against the server and build its statement.

    The session must be outside a transaction.  Raises what Source.describe raises.
    """
    check_target_form(connection, spec)
    target = describe_target(session, spec)
    rules = {each.name: SelectedColumn(each, rule_of(each)) for each in target.columns}
    chosen = choose_columns(spec, [each.name for each in target.columns])
    filters = check_filters(spec, {name: each.rule.value_kind for name, each in rules.items()})
    conditions = tuple(_condition(each, rules[each.column]) for each in filters)
    statement = Statement(target, tuple(rules[name] for name in chosen), conditions)
    _try(session, statement, filters)
    return statement


def with_watches(
    statement: Statement, *, is_nulling: bool, zero_columns: Collection[str]
) -> Statement:
    """Choose how each guarded column is watched; `zero_columns` are those where 0 is expected.

    Arrays, views and queries are flagged: they could give other rows to a second query.  In a
    table, a NaN can hide only where a 0 is read: where that is expected the server stops at a
    NaN, which costs least; elsewhere a second query looks if a 0 did turn up.
    """

    def choose(each: SelectedColumn) -> Watch:
        if each.rule.guard is Guard.DIMENSIONS:
            return Watch.FLAGGED
        if each.rule.guard is not Guard.NAN:
            return Watch.LATER
        if is_nulling or not statement.target.is_table:
            return Watch.FLAGGED
        return Watch.STOPPING if each.name in zero_columns else Watch.LATER

    columns = tuple(replace(each, watch=choose(each)) for each in statement.columns)
    return replace(statement, columns=columns)


_SYMBOLS: Mapping[str, str] = {"!=": "<>", "in": "IN", "not_in": "NOT IN", "like": "LIKE"}


def _condition(checked: TypedFilter, column: SelectedColumn) -> str:
    name = quote_name(checked.column)
    if checked.op in NULL_TESTS:
        return f"{name} IS {'NOT ' if checked.op == 'not_null' else ''}NULL"
    if checked.op == "like":
        return f"{name}::text LIKE {quote_literal(checked.value)}"
    symbol = _SYMBOLS.get(checked.op, checked.op)
    if checked.op in LISTS:
        values = ", ".join(_literal(each, column) for each in checked.value)
        return f"{name} {symbol} ({values})"
    return f"{name} {symbol} {_literal(checked.value, column)}"


def _literal(value: Any, column: SelectedColumn) -> str:
    if isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, date | datetime | time):
        text = value.isoformat()
    else:
        text = str(value)
    return f"{quote_literal(text)}::{column.facts.comparison_type}"


def _try(
    session: psycopg.Connection[Any], statement: Statement, filters: Sequence[TypedFilter]
) -> None:
    """Have the server plan the statement: it checks privileges and every value, reading nothing."""
    try:
        session.execute(f"{statement.rows(None)} LIMIT 0".encode())
    except psycopg.Error as error:
        if not (error.sqlstate or "").startswith(_WRONG_FILTER):
            raise
        errors = [
            FieldError(f"#/source/filters/{each.index}/value", "does not suit the column's type")
            for each, condition in zip(filters, statement.conditions, strict=True)
            if not _suits(session, statement, condition)
        ]
        if not errors:
            raise SourceUnsupported("the source has a column that cannot be read") from error
        raise InvalidValue(errors[0].detail, errors) from error


def _suits(session: psycopg.Connection[Any], statement: Statement, condition: str) -> bool:
    try:
        session.execute(f"SELECT FROM {statement.target.sql} WHERE {condition} LIMIT 0".encode())
    except (psycopg.DataError, psycopg.ProgrammingError):
        return False
    return True
