"""SQLAlchemy engines for the two databases that a catalog lives in."""

import json
from typing import Any

import sqlalchemy as sa

BUSY_SECONDS = 10
"""How long a writer waits for another."""

_POOL = {"pool_size": 10, "max_overflow": 30, "pool_timeout": BUSY_SECONDS}
_POSTGRES_OPTIONS = (
    "-c timezone=UTC -c lock_timeout=10s -c statement_timeout=60s "
    "-c idle_in_transaction_session_timeout=60s"
)
_PRAGMAS = ("foreign_keys=ON", "journal_mode=WAL", "synchronous=FULL")


def make_engine(url: str) -> sa.Engine:
    """Make an engine whose transactions write only with the execution option `is_writing`."""
    parsed = sa.make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite_engine(parsed)
    return _postgres_engine(parsed.set(drivername="postgresql+psycopg"))


def _postgres_engine(url: sa.URL) -> sa.Engine:
    return sa.create_engine(
        url,
        json_serializer=_compact,
        pool_pre_ping=True,
        connect_args={"options": _POSTGRES_OPTIONS, "connect_timeout": 5},
        **_POOL,
    )


def _sqlite_engine(url: sa.URL) -> sa.Engine:
    engine = sa.create_engine(
        url,
        json_serializer=_compact,
        connect_args={"timeout": BUSY_SECONDS, "isolation_level": None},
        **_POOL,
    )
    sa.event.listen(engine, "connect", _set_pragmas)
    sa.event.listen(engine, "begin", _begin)
    return engine


def _set_pragmas(connection: Any, _record: object) -> None:
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: sa.Connection) -> None:
    # A deferred transaction that reads first and then writes may fail with SQLITE_BUSY at once.
    is_writing = connection.get_execution_options().get("is_writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writing else "BEGIN")


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
