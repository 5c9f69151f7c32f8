"""Ask the server what columns a table or a query has, and of which types."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import pymysql

from staging.core.errors import FieldError, InvalidValue, SourceAuth, SourceUnavailable
from staging.core.source_spec import SourceSpec
from staging.sources.connection import Connection
from staging.sources.mysql.faults import error_number, of_mysql
from staging.sources.mysql.quoting import quote_name
from staging.sources.mysql.relation import Relation, column_names, find_relation
from staging.sources.mysql.rows import Field
from staging.sources.mysql.session import Session, server_name
from staging.sources.mysql.type_rules import TypeRule, rule_of

_CHARACTERS = """
SELECT ID, CHARACTER_SET_NAME FROM information_schema.COLLATIONS WHERE ID IN ({})
"""
_FIRST_UCA1400, _UCA1400_STEP = 2048, 256
_UCA1400 = ("utf8mb3", "utf8mb4", "ucs2", "utf16", "utf32")
"""MariaDB's newer collations, which that table lists without numbers (ctype-uca1400.h)."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column at the source: its name and how it is read."""

    name: str
    rule: TypeRule
    most_bytes: int
    """Bytes of its longest value, as declared."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is read: SQL for a FROM clause, the table behind it if it is one, and its columns."""

    sql: str
    relation: Relation | None
    columns: tuple[Column, ...]

    @property
    def is_table(self) -> bool:
        """Tell whether the rows are stored."""
        return self.relation is not None and not self.relation.is_view


def describe_target(session: Session, connection: Connection, spec: SourceSpec) -> Target:
    """Find what the job reads and describe all its columns.

    Raises UnknownTable with the nearest names, InvalidValue for a query that the server refuses.
    """
    if spec.query is not None:
        return _describe_query(session, connection, spec.query)
    relation = find_relation(session, connection.database, spec.table or "")
    names = ", ".join(map(quote_name, column_names(session, relation)))
    fields = _fields(session, f"SELECT {names or '*'} FROM {relation.sql} LIMIT 0")
    return Target(relation.sql, relation, _columns(session, fields))


def _describe_query(session: Session, connection: Connection, query: str) -> Target:
    sql = f"(\n{query.strip().rstrip(';')}\n) AS asked"
    try:
        fields = _fields(session, f"SELECT * FROM {sql} LIMIT 0")
    except pymysql.MySQLError as error:
        known = of_mysql(error, server_name(connection))
        if isinstance(known, SourceAuth | SourceUnavailable):
            raise
        detail = f"the source refuses the query (error {error_number(error)}); give one SELECT"
        raise InvalidValue(detail, [FieldError("#/source/query", detail)]) from error
    return Target(sql, None, _columns(session, fields))


def _fields(session: Session, sql: str) -> tuple[Field, ...]:
    rows = session.stream(sql)
    list(rows)
    return rows.fields


def _columns(session: Session, fields: Iterable[Field]) -> tuple[Column, ...]:
    fields = tuple(fields)
    characters = _characters(session, {each.collation for each in fields})
    return tuple(
        Column(each.name, rule_of(each, characters[each.collation]), each.length) for each in fields
    )


def _characters(session: Session, collations: Collection[int]) -> dict[int, str]:
    """Give the character set of each collation."""
    rows = session.ask_texts(_CHARACTERS.format(", ".join(map(str, collations))))
    known = {int(number): name for number, name in rows}
    return {each: known.get(each) or _uca1400_characters(each) for each in collations}


def _uca1400_characters(collation: int) -> str:
    place = (collation - _FIRST_UCA1400) // _UCA1400_STEP
    return _UCA1400[place] if 0 <= place < len(_UCA1400) else ""
