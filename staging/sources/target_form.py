"""Check the form of a job's source on a database: a table, or a query where it is allowed."""

from staging.core.errors import FieldError, InvalidValue
from staging.core.source_spec import SourceSpec
from staging.sources.connection import Connection


def check_target_form(connection: Connection, spec: SourceSpec) -> None:
    """Raise InvalidValue for a path, or for a query that the connection does not allow."""
    problem = None
    if spec.query is not None and not connection.allow_query:
        problem = f"connection {connection.name} does not allow queries; name a table"
    if spec.path is not None:
        problem = f"connection {connection.name} has tables, not paths"
    if problem:
        raise InvalidValue(problem, [FieldError(spec.pointer, problem)])
