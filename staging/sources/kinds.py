"""The table of kinds: which implementation reads which connection."""

from collections.abc import Callable, Mapping

from staging.sources.connection import Connection
from staging.sources.postgres import PostgresSource
from staging.sources.source import Source

_KINDS: Mapping[str, Callable[[Connection], Source]] = {"postgres": PostgresSource}


def source_for(connection: Connection) -> Source:
    """Give the source of a resolved connection."""
    return _KINDS[connection.kind](connection)
