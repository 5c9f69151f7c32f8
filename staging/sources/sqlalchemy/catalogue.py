"""Find tables and columns by reflection, under the names that the database itself gives them."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import TypeEngine

from staging.core.errors import FieldError, SourceUnsupported, UnknownTable
from staging.core.source_spec import SourceSpec
from staging.sources.connection import Connection
from staging.sources.nearest import nearest_names
from staging.sources.qualified_name import readings_of
from staging.sources.sqlalchemy.column_rules import ColumnRule, rule_of
from staging.sources.target_form import check_target_form

_LISTINGS = ("get_table_names", "get_view_names", "get_materialized_view_names")


class Table:
    """A table or view: its FROM clause, and its columns as reflected, by their true names."""

    def __init__(self, inspector: sa.Inspector, clause: sa.TableClause) -> None:
        self.clause = clause
        self._columns = {
            _spelled(inspector, each["name"]): sa.column(each["name"], each["type"])
            for each in inspector.get_columns(clause.name, schema=clause.schema)
        }

    @property
    def columns(self) -> Sequence[str]:
        """List the columns in the table's order."""
        return tuple(self._columns)

    def column(self, name: str, kind: TypeEngine[Any]) -> sa.ColumnElement[Any]:
        """Name a column in SQL as one of a type."""
        return sa.column(self._columns[name].name, kind)

    def rule(self, name: str) -> ColumnRule:
        """Give how a column is read; raises SourceUnsupported if its type has no exact form."""
        declared = self._columns[name].type
        rule = rule_of(declared)
        if rule is None:
            kind = type(declared).__name__
            raise SourceUnsupported(
                f"column {name!r} has the type {kind}, which has no exact form; leave it out of "
                "columns"
            )
        return rule


def find_table(session: sa.Connection, connection: Connection, spec: SourceSpec) -> Table:
    """Find the table that a job names.

    Raises UnknownTable with the nearest names, InvalidValue for a path or a query.
    """
    check_target_form(connection, spec)
    asked = spec.table or ""
    inspector = sa.inspect(session)
    for schema, name in [(None, asked), *readings_of(asked)]:
        clause = _tables(inspector, schema).get(name)
        if clause is not None:
            return Table(inspector, clause)
    detail = f"there is no table {asked!r}{nearest_names(asked, _tables(inspector, None))}"
    raise UnknownTable(detail, [FieldError("#/source/table", detail)])


def _tables(inspector: sa.Inspector, schema: str | None) -> Mapping[str, sa.TableClause]:
    """Give the tables and views of a schema, None being the session's own."""
    if schema is None:
        return _tables_in(inspector, None)
    schemas = {_spelled(inspector, each): each for each in _asked(inspector, "get_schema_names")}
    return _tables_in(inspector, schemas[schema]) if schema in schemas else {}


def _tables_in(inspector: sa.Inspector, schema: str | None) -> Mapping[str, sa.TableClause]:
    names = [name for each in _LISTINGS for name in _asked(inspector, each, schema=schema)]
    return {_spelled(inspector, name): sa.table(name, schema=schema) for name in names}


def _asked(inspector: sa.Inspector, listing: str, **of: str | None) -> Sequence[str]:
    try:
        found: Sequence[str] = getattr(inspector, listing)(**of)
    except NotImplementedError:  # a database without schemas, or without such views
        return ()
    return found


def _spelled(inspector: sa.Inspector, name: str) -> str:
    """Undo that SQLAlchemy shows ORDERS as orders where a database's own letters are capital."""
    dialect = inspector.dialect
    return str(dialect.denormalize_name(name) if dialect.requires_name_normalize else name)
