"""Open sessions on a MySQL or MariaDB: read-only, named, in UTC, with time limits."""

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import pymysql
import pymysql.converters

from staging.core.errors import SourceAuth, SourceError
from staging.sources.connection import Connection
from staging.sources.mysql.faults import of_mysql
from staging.sources.mysql.rows import Rows
from staging.sources.mysql.sockets import open_socket

ASKING = timedelta(seconds=4)
"""How long a question about the catalogue may take; callers wait 5 s in all."""
NO_LIMIT = timedelta(0)
_GRACE_SECONDS = 0.5
"""What the socket waits longer than the server's own limit."""
_SETTINGS: Mapping[str, str] = {
    # Texts are quoted for this mode, zero dates come as they are, char(n) is not padded.
    "sql_mode": "''",
    "time_zone": "'+00:00'",
    # Texts come in their own characters; those that are not UTF-8 are converted by the SELECT.
    "character_set_results": "NULL",
    "autocommit": "1",
    "sql_select_limit": "18446744073709551615",
    "sql_big_selects": "1",
    "lock_wait_timeout": "10",
    # How long the server waits for a reader that is busy storing what it read.
    "net_write_timeout": "600",
}
_READ_ONLY = "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
_BEGIN = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"
_CLEAR_TEXT = ("mysql_clear_password", "dialog")


class Session:
    """One session; its questions are short, its rows are streamed."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self._is_mariadb = "mariadb" in raw.get_server_info().lower()
        self.id = 0

    def prepare(self, limit: timedelta) -> None:
        """Set the session up; `limit` bounds each SELECT, 0 is no bound."""
        settings = ", ".join(f"{name} = {value}" for name, value in _SETTINGS.items())
        self._run(f"SET SESSION {settings}")
        self._run(_READ_ONLY)
        self.limit(limit)
        self.id = int(self.ask("SELECT CONNECTION_ID()")[0][0])

    def limit(self, limit: timedelta) -> None:
        """Bound each SELECT from now on; 0 is no bound."""
        if self._is_mariadb:
            self._run(f"SET SESSION max_statement_time = {limit.total_seconds()}")
        else:
            self._run(f"SET SESSION max_execution_time = {limit // timedelta(milliseconds=1)}")

    def begin(self) -> None:
        """Begin a transaction that sees this instant."""
        self._run(_BEGIN)

    def kill(self, session_id: int) -> None:
        """End another session of the same user, and the query that it runs."""
        self._run(f"KILL CONNECTION {session_id}")

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """Run one query and give its few rows; values are bytes, or None."""
        return [tuple(row) for row in self.stream(sql)]

    def ask_texts(self, sql: str) -> list[tuple[Any, ...]]:
        """Run one query on the server's catalogue and give its rows; values are str, or None."""
        return [
            tuple(None if value is None else value.decode() for value in row)
            for row in self.ask(sql)
        ]

    def stream(self, sql: str) -> Rows:
        """Run one query; its rows stay on the server until they are read."""
        return Rows(self._raw, sql)

    def _run(self, sql: str) -> None:
        with self._raw.cursor() as cursor:
            cursor.execute(sql)


class RefusedPlugin:
    """A way to authenticate that would send the password itself."""

    def __init__(self, raw: Any) -> None:
        pass

    def authenticate(self, packet: Any) -> Any:  # noqa: ARG002 - PyMySQL's interface
        """Refuse it."""
        raise SourceAuth("the source asks for the password in clear text, which is refused")


def server_name(connection: Connection) -> str:
    """Name the server in messages: the connection, never its address or user."""
    return f"the source of connection {connection.name}"


@contextmanager
def opened(
    connection: Connection, session_name: str, limit: timedelta = ASKING
) -> Iterator[Session]:
    """Open a session; every failure of its queries is translated.

    Raises SourceError of the kind that the failure is.
    """
    raw = _connect(connection, session_name, limit)
    try:
        session = Session(raw)
        session.prepare(limit)
        yield session
    except pymysql.MySQLError as error:
        raise of_mysql(error, server_name(connection)) from error
    finally:
        raw.close()


def end_session(connection: Connection, session_id: int) -> None:
    """End a session on the server from another one; without effect if it has ended already."""
    with suppress(SourceError), opened(connection, "staging cancel") as session:
        session.kill(session_id)


def _connect(connection: Connection, session_name: str, limit: timedelta) -> Any:
    seconds = limit.total_seconds() + _GRACE_SECONDS if limit else None
    raw = pymysql.Connection(
        host=connection.host,
        port=connection.port,
        user=connection.user,
        password=(connection.secret or "").encode(),
        database=connection.database,
        charset="utf8mb4",
        use_unicode=False,
        conv=pymysql.converters.encoders,
        read_timeout=seconds,
        write_timeout=seconds,
        local_infile=False,
        autocommit=None,
        auth_plugin_map=dict.fromkeys(_CLEAR_TEXT, RefusedPlugin),
        program_name=session_name,
        ssl=_tls(connection),
        defer_connect=True,
    )
    server = server_name(connection)
    line = open_socket(connection, server)
    try:
        raw.connect(line)
    except pymysql.MySQLError as error:
        raise of_mysql(error, server) from error
    return raw


def _tls(connection: Connection) -> ssl.SSLContext | None:
    """Give how TLS is asked for; None takes what the server offers, and does not check it."""
    if connection.tls == "prefer":
        return None
    try:
        context = ssl.create_default_context(cafile=connection.tls_ca)
    except OSError as error:
        problem = f"the file tls_ca of connection {connection.name} holds no certificates"
        raise SourceAuth(problem) from error
    # What a server makes for itself does not keep to the strict form of Python 3.13.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if connection.tls == "require":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
