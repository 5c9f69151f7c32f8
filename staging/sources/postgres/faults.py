"""Translate what Postgres, libpq and DuckDB say into the error tree, in words of our own.

Their texts may hold a DSN or a row's value, so no message of theirs is passed on.
"""

import re
from collections.abc import Mapping

import psycopg

from staging.core.errors import (
    SourceAuth,
    SourceChanged,
    SourceError,
    SourceUnavailable,
    SourceUnsupported,
    Unrepresentable,
)

_BY_STATE: Mapping[str, tuple[type[SourceError], str]] = {
    "28": (SourceAuth, "refuses the user or the password"),
    "42501": (SourceAuth, "does not let the user read this"),
    "08": (SourceUnavailable, "closed the connection"),
    "57": (SourceUnavailable, "stopped the query"),
    "57014": (SourceUnavailable, "did not answer in time"),
    "53": (SourceUnavailable, "is out of connections, memory or disk"),
    "55P03": (SourceUnavailable, "kept the table locked for too long"),
    "58": (SourceUnavailable, "has a system error"),
    "40": (SourceUnavailable, "ended the transaction"),
    "3D000": (SourceUnavailable, "has no such database"),
    "42P01": (SourceChanged, "no longer has the table"),
    "42703": (SourceChanged, "no longer has a column"),
    "42704": (SourceChanged, "no longer has an object of the table"),
    "3F000": (SourceChanged, "no longer has the schema"),
    "0A000": (SourceUnsupported, "cannot do this"),
    "22": (Unrepresentable, "holds a value that cannot be read as its column's type"),
}
"""SQLSTATE or its class (PostgreSQL documentation, appendix A) → error; the longest key wins."""

_REFUSED = re.compile(
    "password authentication failed|no password supplied|authentication failed|pg_hba.conf"
    "|permission denied for database|is not permitted to log in"
)
_NO_DATABASE = re.compile("database .* does not exist")
_GONE = re.compile(
    "terminating connection|server closed the connection|connection not open|SSL SYSCALL"
    "|could not (receive|send|connect)|[Uu]nable to connect|Connection (refused|reset)"
    "|no connection to the server|timeout expired|[Cc]onnection timed out|Broken pipe"
    "|canceling statement|server process"
)
_SETTINGS_REFUSED = re.compile("unsupported startup parameter")
_BAD_TEXT = re.compile("[Ii]nvalid unicode|UTF-?8|[Cc]onversion|[Oo]ut of [Rr]ange")


def of_connecting(error: psycopg.Error, server: str) -> SourceError:
    """Translate a failure to connect; libpq gives no SQLSTATE there, only a text."""
    if _SETTINGS_REFUSED.search(str(error)):
        return behind_pooler(server)
    if error.sqlstate is not None:
        return of_query(error, server)
    if _REFUSED.search(str(error)) or (error.pgconn is not None and error.pgconn.needs_password):
        return SourceAuth(f"{server} refuses the user or the password")
    if _NO_DATABASE.search(str(error)):
        return SourceUnavailable(f"{server} has no such database")
    return SourceUnavailable(f"{server} does not accept connections")


def behind_pooler(server: str) -> SourceUnsupported:
    """Say that sessions do not reach the server as they are."""
    return SourceUnsupported(
        f"{server} is behind a connection pooler, where sessions share no snapshot;"
        " register the server itself"
    )


def of_query(error: psycopg.Error, server: str) -> SourceError:
    """Translate a failed query by its SQLSTATE; without one the connection was lost."""
    state = error.sqlstate
    if state is None:
        return SourceUnavailable(f"{server} closed the connection")
    for key in (state, state[:2]):
        if key in _BY_STATE:
            kind, problem = _BY_STATE[key]
            return kind(f"{server} {problem} (SQLSTATE {state})")
    return SourceError(f"{server} refuses the query (SQLSTATE {state})")


def of_engine(error: Exception, server: str) -> SourceError:
    """Translate a failed read of DuckDB, whose errors carry a text only."""
    text = str(error)
    if _GONE.search(text):
        return SourceUnavailable(f"{server} closed the connection or stopped the query")
    if "does not exist" in text:
        return SourceChanged(f"{server} no longer has the table or a column")
    if _BAD_TEXT.search(text):
        return Unrepresentable(f"{server} sent a value that cannot be read as its column's type")
    return SourceError(f"{server} sent something that cannot be read")
