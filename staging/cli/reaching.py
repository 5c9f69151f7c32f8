"""Reach a source as a job would, without reading a row."""

from staging.core.errors import UnknownTable
from staging.core.source_spec import SourceSpec
from staging.sources.connection import Connection
from staging.sources.kinds import source_for

Columns = list[dict[str, str]]
_NOBODY = "staging_asks_for_a_table_that_is_not_there"


def reach(connection: Connection, table: str | None, path: str | None) -> Columns | None:
    """Give the columns of a table or path; None if none was named and the source answers.

    Raises UnknownTable, SourceUnavailable, SourceAuth, SourceUnsupported, InvalidValue.
    """
    source = source_for(connection.resolved())
    if table is not None or path is not None:
        schema = source.describe(SourceSpec(connection.name, table=table, path=path))
        return [{"name": field.name, "type": str(field.type)} for field in schema]
    try:
        source.describe(_absent(connection))
    except UnknownTable:
        # Only a source that was reached knows that.
        return None
    return None


def _absent(connection: Connection) -> SourceSpec:
    if connection.root is not None:
        return SourceSpec(connection.name, path=f"{_NOBODY}.{connection.kind}")
    return SourceSpec(connection.name, table=_NOBODY)
