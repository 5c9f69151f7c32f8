"""Translate what MySQL, MariaDB and PyMySQL say into the error tree, in words of our own.

Their texts may hold a user, an address or a row's value, so no message of theirs is passed on.
"""

import ssl
from collections.abc import Mapping
from typing import Any

import pymysql

from staging.core.errors import (
    SourceAuth,
    SourceChanged,
    SourceError,
    SourceUnavailable,
    SourceUnsupported,
)

_Fault = tuple[type[SourceError], str]
_REFUSES: _Fault = (SourceAuth, "refuses the user or the password")
_FORBIDS: _Fault = (SourceAuth, "does not let the user read this")
_PLUGIN: _Fault = (SourceAuth, "asks for a way to authenticate that is not supported")
_FULL: _Fault = (SourceUnavailable, "is out of connections, memory or disk")
_SLOW: _Fault = (SourceUnavailable, "did not answer in time")
_LOCKED: _Fault = (SourceUnavailable, "kept the table locked for too long")
_CLOSED: _Fault = (SourceUnavailable, "closed the connection or stopped the query")
_REFUSED: _Fault = (SourceUnavailable, "does not accept connections")
_NO_DATABASE: _Fault = (SourceUnavailable, "has no such database")
_NO_TLS: _Fault = (SourceUnavailable, "does not offer the TLS that the connection asks for")
_NO_TABLE: _Fault = (SourceChanged, "no longer has the table")
_NO_COLUMN: _Fault = (SourceChanged, "no longer has a column")
_ALTERED: _Fault = (SourceChanged, "changed the table while it was read")
_INVALID_VIEW: _Fault = (SourceUnsupported, "has a view that is not valid any more")

TIMEOUTS = frozenset({1969, 3024})
"""A query that took longer than the session allows, on MariaDB and on MySQL."""

_BY_NUMBER: Mapping[int, _Fault] = {
    **dict.fromkeys((1045, 1698, 1130, 1820, 1862, 3118, 4151), _REFUSES),
    **dict.fromkeys((1044, 1142, 1143, 1227, 1370), _FORBIDS),
    **dict.fromkeys((1251, 2049, 2059, 2061, 4159), _PLUGIN),
    **dict.fromkeys((1021, 1037, 1038, 1040, 1041, 1114, 1135, 1203, 1226), _FULL),
    **dict.fromkeys(TIMEOUTS, _SLOW),
    **dict.fromkeys((1205, 1213), _LOCKED),
    **dict.fromkeys((1053, 1080, 1152, 1159, 1160, 1161, 1184, 1317, 1927), _CLOSED),
    **dict.fromkeys((2000, 2006, 2013, 2055), _CLOSED),
    **dict.fromkeys((1129, 2002, 2003, 2005), _REFUSED),
    1049: _NO_DATABASE,
    **dict.fromkeys((2026, 3159), _NO_TLS),
    **dict.fromkeys((1051, 1146, 1932), _NO_TABLE),
    1054: _NO_COLUMN,
    **dict.fromkeys((1412, 1615), _ALTERED),
    1356: _INVALID_VIEW,
}
"""Number (MySQL and MariaDB error references; 2000 and up are the client's) → error."""


def of_mysql(error: pymysql.MySQLError, server: str) -> SourceError:
    """Translate a failure by its number; one without a number is a lost connection."""
    if _is_bad_certificate(getattr(error, "original_exception", None)):
        return SourceAuth(f"{server} shows no certificate that the connection trusts")
    number = error_number(error)
    if number in _BY_NUMBER:
        kind, problem = _BY_NUMBER[number]
        return kind(f"{server} {problem} (error {number})")
    if number == 0:
        return SourceUnavailable(f"{server} closed the connection")
    return SourceError(f"{server} refuses the query (error {number})")


def error_number(error: pymysql.MySQLError) -> int:
    """Give the server's or the client's number, 0 if there is none."""
    first: Any = error.args[0] if error.args else 0
    return first if isinstance(first, int) else 0


def _is_bad_certificate(cause: object) -> bool:
    return isinstance(cause, ssl.SSLCertVerificationError)
