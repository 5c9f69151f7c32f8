"""Find the table that a job names in the server's own catalogue."""

from dataclasses import dataclass

from staging.core.errors import FieldError, SourceUnsupported, UnknownTable
from staging.sources.mysql.quoting import quote_literal, quote_name
from staging.sources.mysql.session import Session
from staging.sources.nearest import nearest_names
from staging.sources.qualified_name import readings_of

_KINDS = "('BASE TABLE', 'VIEW', 'SYSTEM VERSIONED')"
_FIND = f"""
SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES
WHERE TABLE_SCHEMA = {{}} AND TABLE_NAME = {{}} AND TABLE_TYPE IN {_KINDS}
"""
_KNOWN = f"""
SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES
WHERE TABLE_SCHEMA NOT IN ('information_schema', 'mysql', 'performance_schema', 'sys')
AND TABLE_TYPE IN {_KINDS} LIMIT 10000
"""
_COLUMNS = """
SELECT COLUMN_NAME FROM information_schema.COLUMNS
WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {} AND EXTRA NOT LIKE '%INVISIBLE%'
ORDER BY ORDINAL_POSITION
"""
_SYSTEM = frozenset({"information_schema", "mysql", "performance_schema", "sys"})


@dataclass(frozen=True, slots=True)
class Relation:
    """One table or view."""

    schema: str
    name: str
    is_view: bool

    @property
    def sql(self) -> str:
        """Give the quoted, qualified name."""
        return f"{quote_name(self.schema)}.{quote_name(self.name)}"

    @property
    def literals(self) -> tuple[str, str]:
        """Give schema and name as texts of SQL, to ask the catalogue with."""
        return quote_literal(self.schema), quote_literal(self.name)


def find_relation(session: Session, database: str, table: str) -> Relation:
    """Find the table as it is spelled; `…` and "…" quote as in SQL.

    Raises UnknownTable with the nearest names; a table that the user may not see is unknown.
    """
    if "\0" not in table:
        for schema, name in dict.fromkeys(readings_of(table, '"`')):
            found = _find(session, schema or database, name)
            if found is not None:
                return _checked(found)
    near = nearest_names(table, _known_names(session, database, qualified="." in table))
    detail = f"there is no table {table!r}{near}"
    raise UnknownTable(detail, [FieldError("#/source/table", detail)])


def column_names(session: Session, relation: Relation) -> list[str]:
    """List the columns that the user may read, in order, but for invisible ones."""
    return [row[0] for row in session.ask_texts(_COLUMNS.format(*relation.literals))]


def _find(session: Session, schema: str, name: str) -> Relation | None:
    """Compare exactly: the catalogue itself makes no difference of case."""
    rows = session.ask_texts(_FIND.format(quote_literal(schema), quote_literal(name)))
    for found_schema, found_name, kind in rows:
        if (found_schema, found_name) == (schema, name):
            return Relation(schema, name, kind == "VIEW")
    return None


def _known_names(session: Session, database: str, *, qualified: bool) -> list[str]:
    return [
        name if schema == database and not qualified else f"{schema}.{name}"
        for schema, name in session.ask_texts(_KNOWN)
    ]


def _checked(relation: Relation) -> Relation:
    if relation.schema.lower() in _SYSTEM:
        raise SourceUnsupported("the server's own catalogue cannot be staged")
    return relation
