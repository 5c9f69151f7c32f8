"""Translate what SQLAlchemy and drivers say into the error tree, in words of our own.

Their texts may hold a user, an address or a row's value, so no message of theirs is passed on.
"""

import re
from collections.abc import Sequence

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError

from staging.core.errors import SourceAuth, SourceError, SourceUnavailable, SourceUnsupported

_STATE = re.compile("[0-9A-Z]{5}")
_AUTH = ("28", "42501")
_AWAY = ("08", "40", "53", "57", "58")
"""Classes and states of SQL (ISO/IEC 9075-2, 24.1; the last three are Postgres' and others')."""


def of_connecting(error: Exception, name: str) -> SourceError:
    """Translate a failure to open the connection of that name."""
    if not isinstance(error, DBAPIError | OSError):
        return SourceUnsupported(
            f"connection {name} is registered with a dialect, database or parameters that its "
            f"driver does not take ({type(error).__name__})"
        )
    if _has_state(error, _AUTH):
        return SourceAuth(f"the database of connection {name} refuses the user or the password")
    return SourceUnavailable(f"the database of connection {name} cannot be reached as its user")


def of_query(error: SQLAlchemyError, name: str) -> SourceError:
    """Translate a failure of a statement; one that says nothing of its kind is not done again."""
    server = f"the database of connection {name}"
    if _has_state(error, _AUTH):
        return SourceAuth(f"{server} does not let the user read this")
    if isinstance(error, OperationalError | InterfaceError) or _has_state(error, _AWAY):
        return SourceUnavailable(f"{server} closed the connection or stopped the query")
    return SourceError(f"{server} cannot be read ({type(error).__name__})")


def _has_state(error: Exception, classes: Sequence[str]) -> bool:
    """Tell whether the driver gives one of these SQLSTATEs; each keeps it in a place of its own."""
    said = getattr(error, "orig", None)
    places = (getattr(said, "sqlstate", None), getattr(said, "pgcode", None), *_first_word(said))
    states = [each for each in places if isinstance(each, str) and _STATE.fullmatch(each)]
    return any(each.startswith(tuple(classes)) for each in states)


def _first_word(said: BaseException | None) -> Sequence[object]:
    return said.args[:1] if said is not None else ()
