"""Open one session of a database through the dialect that the connection names."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.exc import NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from staging.core.errors import SourceUnsupported
from staging.sources.addresses import checked_addresses
from staging.sources.connection import Connection
from staging.sources.sqlalchemy.faults import of_connecting, of_query

_SNAPSHOTS = ("SNAPSHOT", "REPEATABLE READ", "SERIALIZABLE")
"""Isolation levels in which later commits are not seen; the first that the dialect has is taken."""
_FIREBIRD_PORT = 3050


@contextmanager
def opened(connection: Connection) -> Iterator[sa.Connection]:
    """Open a session inside one transaction, which is rolled back at the end.

    Raises SourceUnsupported if the dialect or its driver is not installed, SourceUnavailable or
    SourceAuth if the database does not answer or refuses the user; none says with what words.
    """
    if connection.host and not connection.host.startswith("/"):
        allow = connection.allow_link_local
        checked_addresses(connection.host, connection.port, allow_link_local=allow)
    engine = _engine(connection)
    try:
        with _connected(engine, connection) as session:
            yield _isolated(session)
    except SQLAlchemyError as error:
        raise of_query(error, connection.name) from error
    finally:
        engine.dispose()


def _engine(connection: Connection) -> sa.Engine:
    try:
        return sa.create_engine(_url(connection), poolclass=NullPool, hide_parameters=True)
    except (NoSuchModuleError, ImportError) as error:
        raise SourceUnsupported(
            f"connection {connection.name} needs the SQLAlchemy dialect {connection.dialect!r} and "
            "its driver: install them where the service runs, on every Ray node too"
        ) from error
    except (SQLAlchemyError, TypeError, ValueError) as error:
        raise of_connecting(error, connection.name) from error


def _url(connection: Connection) -> sa.URL:
    host, port, database = connection.host, connection.port, connection.database
    if host and connection.dialect.startswith("firebird"):
        # Its driver would keep one host for a database's path, whichever connection has it.
        literal = f"[{host}]" if ":" in host else host
        host, port, database = "", 0, f"inet://{literal}:{port or _FIREBIRD_PORT}/{database}"
    return sa.URL.create(
        connection.dialect,
        username=connection.user or None,
        password=connection.secret,
        host=host or None,
        port=port or None,
        database=database,
        query=dict(connection.parameters),
    )


def _connected(engine: sa.Engine, connection: Connection) -> sa.Connection:
    try:
        return engine.connect()
    except (SQLAlchemyError, OSError, TypeError, ValueError) as error:
        raise of_connecting(error, connection.name) from error


def _isolated(session: sa.Connection) -> sa.Connection:
    level = next((each for each in _SNAPSHOTS if each in _levels(session)), None)
    if level is None:
        return session
    try:
        return session.execution_options(isolation_level=level)
    except AttributeError:  # Firebird's dialect lists levels that its driver cannot be told
        return session


def _levels(session: sa.Connection) -> Sequence[str]:
    raw = session.connection.dbapi_connection
    assert raw is not None
    try:
        return session.dialect.get_isolation_level_values(raw)
    except NotImplementedError:  # the dialect knows of no levels: the database keeps its own
        return ()
