"""Stop a query on the server, from a second connection.

Interrupting the engine is not enough: it would wait until the server has sent everything.
"""

from datetime import timedelta
from threading import Event

from staging.sources.connection import Connection
from staging.sources.postgres.session import asking

_ASK = """
SELECT state = 'active' AND pg_cancel_backend(pid) FROM pg_stat_activity
WHERE pid = %s AND application_name = %s
"""
_END = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = %s AND application_name = %s
"""
_POLL = timedelta(milliseconds=100)
_TRIES = 20
_QUIET_POLLS = 2
"""Polls in a row that must find no query: one may just be on its way to the server."""


def stop_backend(
    connection: Connection, pid: int, session_name: str, stopped: Event | None = None
) -> None:
    """Cancel what the backend runs, again until it runs nothing; end the backend after 2 s.

    Returns at once when `stopped` is set.  Raises SourceError if the server cannot be asked.
    """
    stopped = stopped or Event()
    quiet = 0
    with asking(connection, "staging cancel") as session:
        for _ in range(_TRIES):
            row = session.execute(_ASK, [pid, session_name[:63]]).fetchone()
            quiet = 0 if row and row[0] else quiet + 1
            if row is None or quiet == _QUIET_POLLS or stopped.wait(_POLL.total_seconds()):
                return
        session.execute(_END, [pid, session_name[:63]])
