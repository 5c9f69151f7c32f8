"""The catalog's database: its engine, its transactions, and what its failures mean."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Self

import sqlalchemy as sa
import structlog
from sqlalchemy import exc

from staging.catalog.engine import BUSY_SECONDS, make_engine
from staging.catalog.tables import Instant
from staging.core.errors import CatalogUnavailable, InvalidValue

_OUTAGES = (exc.OperationalError, exc.InterfaceError, exc.InternalError, exc.TimeoutError)
_CLOCK = sa.func.current_timestamp(type_=Instant)
_MOVES = "moves of jobs"
_log = structlog.get_logger(__name__)
_UNSTORABLE = (exc.DataError, UnicodeEncodeError, OverflowError)


class Database:
    """A database in which each public method of the catalog is one transaction."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._writer = engine.execution_options(is_writing=True)
        self._turn = threading.Lock() if engine.dialect.name == "sqlite" else None

    @classmethod
    def open(cls, url: str) -> Self:
        """Open the catalog at an SQLAlchemy URL (SQLite file or Postgres); connects when used."""
        return cls(make_engine(url))

    def close(self) -> None:
        """Close every pooled connection."""
        self._engine.dispose()

    def check(self) -> None:
        """Ask the database for a row.

        Raises CatalogUnavailable if it does not answer.
        """
        with self._reading() as connection:
            connection.execute(sa.select(1))

    def clock(self) -> datetime:
        """Ask the database server for its time; raises CatalogUnavailable."""
        with self._reading() as connection:
            return connection.execute(sa.select(_CLOCK)).scalar_one()

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        with translated(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        moves: list[dict[str, Any]] = []
        with self._own_turn(), translated(), self._writer.begin() as connection:
            connection.info[_MOVES] = moves
            yield connection
        for move in moves:
            _log.info("job_moved", **move)

    @contextmanager
    def _own_turn(self) -> Iterator[None]:
        """Let writers of one process wait in line; SQLite alone lets some of them wait seconds."""
        if self._turn is None:
            yield
            return
        if not self._turn.acquire(timeout=BUSY_SECONDS):
            raise CatalogUnavailable()
        try:
            yield
        finally:
            self._turn.release()


def tell_move(connection: sa.Connection, **move: Any) -> None:
    """Log a job's change of state once the transaction has taken effect, never before."""
    connection.info[_MOVES].append(move)


@contextmanager
def translated() -> Iterator[None]:
    """Turn the database's own errors into the service's."""
    try:
        yield
    except _OUTAGES as outage:
        raise CatalogUnavailable() from outage
    except _UNSTORABLE as unstorable:
        raise InvalidValue("a text or number in the request cannot be stored") from unstorable
