"""Look connections up; a registry that cannot be read is our fault, not the request's."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from staging.core.errors import InvalidValue, Unavailable
from staging.sources.connections import Connection, Connections

_log = structlog.get_logger(__name__)


def connection_named(registry: Connections, org_id: int, name: str) -> Connection:
    """Give the organisation's connection; raises UnknownConnection, Unavailable."""
    with _readable():
        return registry.get(org_id, name)


def connections_of(registry: Connections, org_id: int) -> list[Connection]:
    """List the organisation's connections by name; raises Unavailable."""
    with _readable():
        return registry.list(org_id)


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except InvalidValue as wrong:
        if wrong.errors:
            raise
        # Without a pointer into the request it is the registry that is wrong.
        raise Unavailable(wrong.detail) from wrong
    except Unavailable as away:
        _log.warning("registry_unreadable", error=str(away.__cause__))
        raise
