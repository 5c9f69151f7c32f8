"""Open sessions on a Postgres: read-only, named, with time limits, never asking a person."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import psycopg
from psycopg.conninfo import make_conninfo

from staging.sources.addresses import checked_addresses
from staging.sources.connection import Connection
from staging.sources.postgres.faults import behind_pooler, of_connecting, of_query

ASKING = timedelta(seconds=4)
"""How long a question about the catalogue may take; callers wait 5 s in all."""
NO_LIMIT = timedelta(0)
_CONNECT_SECONDS = 4
_SETTINGS = {
    "default_transaction_read_only": "on",
    # A backend whose client is gone ends itself, also while it sleeps (Postgres 14).
    "client_connection_check_interval": "500",
    "idle_in_transaction_session_timeout": "0",
    "lock_timeout": "10000",
    "DateStyle": "ISO",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "bytea_output": "hex",
    "extra_float_digits": "1",
}


def server_name(connection: Connection) -> str:
    """Name the server in messages: the connection, never its address or user."""
    return f"the source of connection {connection.name}"


def conninfo(connection: Connection, session_name: str, limit: timedelta) -> str:
    """Give the libpq connection string of one session; it holds the password.

    `limit` bounds each statement, 0 is no bound.
    Raises SourceUnavailable or SourceAuth if the host cannot be resolved or is forbidden.
    """
    settings = _SETTINGS | {"statement_timeout": str(limit // timedelta(milliseconds=1))}
    return make_conninfo(
        **_address(connection),
        port=connection.port,
        dbname=connection.database,
        user=connection.user,
        password=connection.secret,
        passfile="/dev/null/none",  # not a home folder's passwords
        application_name=session_name[:63],
        client_encoding="UTF8",
        connect_timeout=_CONNECT_SECONDS,
        keepalives_idle=30,
        keepalives_interval=10,
        keepalives_count=3,
        tcp_user_timeout=15_000,
        options=" ".join(f"-c {name}={value}" for name, value in settings.items()),
    )


def _address(connection: Connection) -> dict[str, str]:
    if connection.host.startswith("/"):
        return {"host": connection.host}
    addresses = checked_addresses(
        connection.host, connection.port, allow_link_local=connection.allow_link_local
    )
    hosts = ",".join([connection.host] * len(addresses))
    return {"host": hosts, "hostaddr": ",".join(addresses)}


def connect(
    connection: Connection, session_name: str, limit: timedelta = ASKING
) -> psycopg.Connection[tuple[object, ...]]:
    """Open a session outside any transaction.

    Raises SourceAuth, SourceUnavailable, or SourceUnsupported behind a connection pooler.
    """
    info = conninfo(connection, session_name, limit)
    try:
        session = psycopg.connect(info, autocommit=True, prepare_threshold=None)
    except psycopg.Error as error:
        raise of_connecting(error, server_name(connection)) from error
    _check_direct(session, connection)
    return session


def _check_direct(session: psycopg.Connection[tuple[object, ...]], connection: Connection) -> None:
    """Refuse a pooler: it gives a session's settings, or the next transaction, to another server.

    It makes up the process number that a server tells at the start, to know who cancels.
    """
    server = server_name(connection)
    try:
        found = session.execute("SELECT pg_backend_pid()").fetchone()
    except psycopg.Error as error:
        session.close()
        raise of_query(error, server) from error
    if found is None or found[0] != session.info.backend_pid:
        session.close()
        raise behind_pooler(server)


@contextmanager
def asking(
    connection: Connection, session_name: str, limit: timedelta = ASKING
) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """Open a session for a few questions; every failure of theirs is translated.

    Raises SourceError of the kind that the failure is.
    """
    session = connect(connection, session_name, limit)
    try:
        yield session
    except psycopg.Error as error:
        raise of_query(error, server_name(connection)) from error
    finally:
        session.close()
