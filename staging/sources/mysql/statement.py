"""Build the SELECT of a job from checked names, quoted values and a range of keys."""

from dataclasses import dataclass

import pyarrow as pa

from staging.core.source_spec import SourceSpec
from staging.sources.column_choice import choose_columns
from staging.sources.connection import Connection
from staging.sources.filter_values import check_filters
from staging.sources.mysql.catalogue import Column, Target, describe_target
from staging.sources.mysql.filters import condition
from staging.sources.mysql.quoting import quote_name
from staging.sources.mysql.session import Session
from staging.sources.target_form import check_target_form


@dataclass(frozen=True, slots=True)
class Statement:
    """What a job reads, before it is cut into ranges."""

    target: Target
    columns: tuple[Column, ...]
    conditions: tuple[str, ...]

    @property
    def schema(self) -> pa.Schema:
        """The job's schema; every column may hold NULL, as policy `null` may put one."""
        return pa.schema([pa.field(each.name, each.rule.arrow) for each in self.columns])

    def rows(self, *more: str, source: str | None = None, label: str = "") -> str:
        """Give the SELECT of all values; `label` shows in the server's list of queries."""
        values = [
            f"{each.rule.selected.format(quote_name(each.name))} AS c{i}"
            for i, each in enumerate(self.columns)
        ]
        comment = f"/* {label.replace('*/', '')} */ " if label else ""
        conditions = [*self.conditions, *more]
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        return f"SELECT {comment}{', '.join(values)} FROM {source or self.target.sql}{where}"


def compile_statement(session: Session, connection: Connection, spec: SourceSpec) -> Statement:
    """Check a job's source against the server and build its statement.

    Raises what Source.describe raises.
    """
    check_target_form(connection, spec)
    target = describe_target(session, connection, spec)
    columns = {each.name: each for each in target.columns}
    chosen = choose_columns(spec, [each.name for each in target.columns])
    filters = check_filters(spec, {name: each.rule.value_kind for name, each in columns.items()})
    conditions = tuple(condition(each, columns[each.column].rule) for each in filters)
    statement = Statement(target, tuple(columns[name] for name in chosen), conditions)
    # The server checks privileges and the whole statement, reading nothing.
    session.ask(f"{statement.rows()} LIMIT 0")
    return statement
