"""Ask a source what it has, before its job is accepted."""

from collections.abc import Mapping
from dataclasses import replace

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
from staging.core.source_spec import Filter, SourceSpec
from staging.sources.connections import Connection
from staging.sources.incremental import check_incremental
from staging.sources.kinds import source_for

PATIENCE_SECONDS = 5.0
_KINDS_WITH: Mapping[str, frozenset[str]] = {"version": frozenset({"delta", "iceberg"})}
"""Which kinds support an option of a source."""
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
    schema = source_for(connection.resolved()).describe(_asked(spec))
    check_incremental(spec, schema)


def _asked(spec: SourceSpec) -> SourceSpec:
    """Add a filter that names the column to partition by, so that the source looks it up too."""
    newer = spec.newer_only()
    if spec.partition_by is None:
        return newer
    return replace(newer, filters=(*newer.filters, Filter(spec.partition_by, "not_null")))


def _at_their_place(wrong: InvalidValue, spec: SourceSpec) -> InvalidValue:
    """Point at the request's own members for what a source says of filters made of them."""
    if not wrong.errors:
        return _pointed(wrong, spec.pointer)
    bound = f"#/source/filters/{len(spec.filters)}/"
    hint = f"#/source/filters/{len(spec.newer_only().filters)}/"
    places = {
        f"{bound}column": "#/source/incremental/column",
        f"{bound}op": "#/source/incremental/column",
        f"{bound}value": "#/source/incremental/after",
    } | dict.fromkeys((f"{hint}column", f"{hint}op"), "#/source/partition_by")
    errors = [FieldError(places.get(e.pointer, e.pointer), e.detail) for e in wrong.errors]
    return type(wrong)(wrong.detail, errors)


def _refused(member: str, detail: str) -> InvalidValue:
    return InvalidValue(detail, [FieldError(f"#/source/{member}", detail)])


def _pointed(wrong: StagingError, pointer: str) -> InvalidValue:
    """Give the failure with the place of the request that it is about."""
    kind = type(wrong) if isinstance(wrong, InvalidValue) else InvalidValue
    return kind(wrong.detail, [FieldError(pointer, wrong.detail)])
