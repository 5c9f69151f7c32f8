"""Find the table that a job names in the server's own catalogue."""

from dataclasses import dataclass
from typing import Any

import psycopg

from staging.core.errors import FieldError, SourceUnsupported, UnknownTable
from staging.sources.nearest import nearest_names
from staging.sources.postgres.quoting import quote_name
from staging.sources.qualified_name import readings_of

_FIND = """
SELECT c.oid::int8, n.nspname::text, c.relname::text, c.relkind::text
FROM unnest(%s::text[], %s::text[]) WITH ORDINALITY AS asked(schema, name, place)
JOIN pg_class c ON c.relname = asked.name AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
JOIN pg_namespace n ON n.oid = c.relnamespace
    AND (n.nspname = asked.schema OR asked.schema IS NULL AND pg_table_is_visible(c.oid))
ORDER BY asked.place LIMIT 1
"""
_KNOWN = """
SELECT CASE WHEN pg_table_is_visible(c.oid) THEN c.relname ELSE n.nspname || '.' || c.relname END,
    n.nspname || '.' || c.relname
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_|^information_schema$'
    AND has_table_privilege(c.oid, 'SELECT') LIMIT 10000
"""


@dataclass(frozen=True, slots=True)
class Relation:
    """One table or view; `sql` is its quoted, qualified name."""

    oid: int
    schema: str
    name: str
    kind: str
    """pg_class.relkind: r table, p partitioned table, v view, m materialised view, f foreign."""

    @property
    def sql(self) -> str:
        """Give the quoted, qualified name."""
        return f"{quote_name(self.schema)}.{quote_name(self.name)}"


def find_relation(session: psycopg.Connection[Any], table: str) -> Relation:
    """Find the table as it is spelled; names are case-sensitive, `"…"` quotes as in SQL.

    Raises UnknownTable with the nearest names.
    """
    if "\0" not in table:
        readings = list(dict.fromkeys(readings_of(table)))
        schemas, names = [each[0] for each in readings], [each[1] for each in readings]
        found = session.execute(_FIND, [schemas, names]).fetchone()
        if found is not None:
            return _checked(Relation(*found))
    near = nearest_names(table, _known_names(session, qualified="." in table))
    detail = f"there is no table {table!r}{near}"
    raise UnknownTable(detail, [FieldError("#/source/table", detail)])


def _known_names(session: psycopg.Connection[Any], *, qualified: bool) -> list[str]:
    return [row[1 if qualified else 0] for row in session.execute(_KNOWN)]


def _checked(relation: Relation) -> Relation:
    if relation.schema in {"pg_catalog", "information_schema"}:
        raise SourceUnsupported("the server's own catalogue cannot be staged")
    return relation
