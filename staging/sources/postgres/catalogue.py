"""Ask the server what columns a table or a query has, and of which types."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import psycopg

from staging.core.errors import FieldError, InvalidValue
from staging.core.source_spec import SourceSpec
from staging.sources.postgres.relation import Relation, find_relation
from staging.sources.postgres.type_rules import ColumnFacts

_COLUMNS = """
SELECT attname::text, atttypid::int8, atttypmod, attndims::int4 FROM pg_attribute
WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""
_TYPES = """
WITH RECURSIVE layers(asked, oid, modifier) AS (
    SELECT DISTINCT o, o, -1 FROM unnest(%s::oid[]) AS o
    UNION ALL
    SELECT layers.asked, t.typbasetype, t.typtypmod
    FROM layers JOIN pg_type t ON t.oid = layers.oid WHERE t.typtype = 'd'
)
SELECT layers.asked::int8, t.oid::int8, layers.modifier,
    CASE WHEN t.typcategory = 'A' AND t.oid NOT IN (22, 30) THEN t.typelem ELSE 0 END::int8,
    format_type(t.oid, -1)
FROM layers JOIN pg_type t ON t.oid = layers.oid WHERE t.typtype <> 'd'
"""


@dataclass(frozen=True, slots=True)
class Target:
    """What is read: SQL for a FROM clause, the table behind it if it is one, and its columns."""

    sql: str
    relation: Relation | None
    columns: tuple[ColumnFacts, ...]

    @property
    def is_table(self) -> bool:
        """Tell whether the rows are stored, so that reading them again gives the same ones."""
        return self.relation is not None and self.relation.kind in {"r", "p", "m"}


def describe_target(session: psycopg.Connection[Any], spec: SourceSpec) -> Target:
    """Find what the job reads and describe all its columns.

    Raises UnknownTable with the nearest names, InvalidValue for a query that the server refuses.
    """
    if spec.query is not None:
        return _describe_query(session, spec.query)
    relation = find_relation(session, spec.table or "")
    columns = session.execute(_COLUMNS, [relation.oid]).fetchall()
    return Target(relation.sql, relation, _facts(session, columns))


def _describe_query(session: psycopg.Connection[Any], query: str) -> Target:
    sql = f"(\n{query.strip().rstrip(';')}\n) AS asked"
    try:
        # Binary results mean the extended protocol, which takes one statement only.
        cursor = session.execute(f"SELECT * FROM {sql} LIMIT 0".encode(), binary=True)
    except (psycopg.ProgrammingError, psycopg.DataError, psycopg.NotSupportedError) as error:
        state = error.sqlstate or "none"
        detail = f"the source refuses the query (SQLSTATE {state}); give one SELECT"
        raise InvalidValue(detail, [FieldError("#/source/query", detail)]) from error
    result = cast(Any, cursor.pgresult)
    columns = [
        (column.name, result.ftype(i), result.fmod(i), 1)
        for i, column in enumerate(cursor.description or ())
    ]
    return Target(sql, None, _facts(session, columns))


def _facts(
    session: psycopg.Connection[Any], columns: Sequence[tuple[Any, ...]]
) -> tuple[ColumnFacts, ...]:
    oids = [column[1] for column in columns]
    types = {row[0]: row[1:] for row in session.execute(_TYPES, [oids])}
    facts: list[ColumnFacts] = []
    for name, asked, modifier, dimensions in columns:
        oid, domain_modifier, element, shown = types[asked]
        own = domain_modifier if modifier == -1 else modifier
        facts.append(ColumnFacts(name, oid, own, element, dimensions, shown))
    return tuple(facts)
