"""Keep an exported snapshot open, and join one.

A transaction that joined a snapshot can export it again, so holders in different places keep one
instant alive together (PostgreSQL documentation, "Snapshot Synchronization Functions").

A server that recovered from a crash begins to name exports anew, so an export is kept together
with a digest of what its snapshot sees, and who joins it by name compares that.
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock
from typing import Any

import psycopg

from staging.core.errors import SnapshotLost
from staging.core.manifest import Snapshot, SnapshotClass
from staging.sources.connection import Connection
from staging.sources.postgres.faults import of_query
from staging.sources.postgres.quoting import quote_literal
from staging.sources.postgres.session import NO_LIMIT, connect, server_name

BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
INSTANT = "left(md5(pg_current_snapshot()::text), 16)"
_EXPORT = re.compile(r"([0-9A-F]{1,16}-[0-9A-F]{1,16}-[0-9]{1,10})(?:@([0-9a-f]{16}))?")


def exports_of(snapshot: Snapshot | None) -> tuple[str, ...]:
    """Give the exports that a reader must join; none unless the snapshot is an exported one.

    Raises SnapshotLost if it is and has no exports.
    """
    if snapshot is None or snapshot.snapshot_class is not SnapshotClass.EXPORTED:
        return ()
    if not snapshot.exports:
        raise SnapshotLost()
    return snapshot.exports


@dataclass(frozen=True, slots=True)
class Join:
    """The statement that joins an export, and the instant that must be seen then, if known."""

    statement: str
    instant: str | None

    def leads_to(self, instant: str) -> bool:
        """Tell whether an instant, as INSTANT tells it, is the one that was exported."""
        return self.instant is None or self.instant == instant


def joins(exports: Sequence[str]) -> list[Join]:
    """Say how to join each export, in the order to be tried."""
    return [
        Join(f"SET TRANSACTION SNAPSHOT {quote_literal(found[1])}", found[2])
        for found in map(_EXPORT.fullmatch, exports)
        if found is not None
    ]


def begin_in(session: psycopg.Connection[Any], exports: Sequence[str]) -> None:
    """Begin a read-only transaction in the first living export.

    Raises SnapshotLost if none lives; psycopg.Error only if the connection is lost.
    """
    for way in joins(exports):
        session.execute(BEGIN)
        try:
            session.execute(way.statement.encode())
            row: Any = session.execute(f"SELECT {INSTANT}".encode()).fetchone()
            if way.leads_to(row[0]):
                return
        except psycopg.Error as error:
            if error.sqlstate is None or error.sqlstate.startswith(("08", "57")):
                raise
        session.execute("ROLLBACK")
    raise SnapshotLost()


class SnapshotHolder:
    """An idle transaction in a snapshot, which others join through `export`."""

    def __init__(self, session: psycopg.Connection[Any], export: str) -> None:
        self.export = export
        self._session = session
        self._lock = Lock()

    def is_alive(self) -> bool:
        """Tell whether the transaction still stands, by using it."""
        with self._lock:
            try:
                self._session.execute("SELECT 1")
            except psycopg.Error:
                return False
            return True

    def close(self) -> None:
        """Let the snapshot go; safe to call twice."""
        with suppress(psycopg.Error):
            self._session.close()


def hold_snapshot(connection: Connection, exports: Sequence[str]) -> SnapshotHolder:
    """Export a new snapshot, or join the first living export and export it again.

    Raises SnapshotLost if none of the exports lives.
    """
    session = connect(connection, f"staging holder {connection.name}", NO_LIMIT)
    try:
        _lift_limits(session)
        if exports:
            begin_in(session, exports)
        else:
            session.execute(BEGIN)
        row: Any = session.execute(
            f"SELECT pg_export_snapshot() || '@' || {INSTANT}".encode()
        ).fetchone()
    except psycopg.Error as error:
        session.close()
        raise of_query(error, server_name(connection)) from error
    except SnapshotLost:
        session.close()
        raise
    return SnapshotHolder(session, str(row[0]))


def _lift_limits(session: psycopg.Connection[Any]) -> None:
    """Undo the limits that a role may have and that would end an idle transaction."""
    session.execute("SET idle_session_timeout = 0")
    if session.info.server_version >= 170_000:
        session.execute("SET transaction_timeout = 0")
