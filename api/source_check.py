"""Ask a source what it has, before its job is accepted."""

from collections.abc import Mapping

import structlog

from api.models.requests import SourceBody
from api.registry import connection_named
from api.wiring import Wiring
from staging.core.errors import (
    FieldError,
    InvalidValue,
    SourceError,
    SourceUnsupported,
    StagingError,
)
from staging.core.source_spec import SourceSpec
from staging.sources.connections import Connection
from staging.sources.incremental import check_incremental
from staging.sources.kinds import source_for

PATIENCE_SECONDS = 5.0
_KINDS_WITH: Mapping[str, frozenset[str]] = {"version": frozenset()}
"""Which kinds support an option of a source; more will."""
_log = structlog.get_logger(__name__)


async def check_source(parts: Wiring, org_id: int, source: SourceBody) -> None:
    """Raise InvalidValue with a pointer if the source answers in time that it has no such thing.

    One that does not answer in time, or cannot be reached, passes: its job will tell.
    """
    connection = connection_named(parts.connections, org_id, source.connection)
    spec = source.spec()
    _check_options(connection, source)
    try:
        await parts.sources.ask(lambda: _describe(connection, spec), PATIENCE_SECONDS)
    except InvalidValue as wrong:
        raise _at_their_place(wrong, spec) from wrong
    except SourceUnsupported as wrong:
        raise _pointed(wrong, spec.pointer) from wrong
    except (SourceError, TimeoutError) as silent:
        _log.warning("source_not_asked", connection=connection.name, error=type(silent).__name__)


def _check_options(connection: Connection, source: SourceBody) -> None:
    if source.query is not None and not connection.allow_query:
        raise _refused("query", f"connection {connection.name} does not allow queries")
    for option, kinds in _KINDS_WITH.items():
        if getattr(source, option) is not None and connection.kind not in kinds:
            raise _refused(option, f"{option} is not supported by kind {connection.kind}")


def _describe(connection: Connection, spec: SourceSpec) -> None:
    schema = source_for(connection.resolved()).describe(spec.newer_only())
    check_incremental(spec, schema)


def _at_their_place(wrong: InvalidValue, spec: SourceSpec) -> InvalidValue:
    """Point at `incremental` for what a source says of the filter that was made of it."""
    if not wrong.errors:
        return _pointed(wrong, spec.pointer)
    made = f"#/source/filters/{len(spec.filters)}/"
    places = {f"{made}column": "column", f"{made}op": "column", f"{made}value": "after"}
    errors = [
        FieldError(f"#/source/incremental/{places[each.pointer]}", each.detail)
        if each.pointer in places
        else each
        for each in wrong.errors
    ]
    return type(wrong)(wrong.detail, errors)


def _refused(member: str, detail: str) -> InvalidValue:
    return InvalidValue(detail, [FieldError(f"#/source/{member}", detail)])


def _pointed(wrong: StagingError, pointer: str) -> InvalidValue:
    """Give the failure with the place of the request that it is about."""
    kind = type(wrong) if isinstance(wrong, InvalidValue) else InvalidValue
    return kind(wrong.detail, [FieldError(pointer, wrong.detail)])
