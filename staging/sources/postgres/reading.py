"""Read one partition of a Postgres table in the job's snapshot."""

from collections.abc import Generator, Sequence
from contextlib import suppress
from datetime import timedelta
from threading import Event
from typing import Any

import pyarrow as pa

from staging.core.errors import InvalidValue, SourceChanged, SourceError
from staging.sources.connection import Connection
from staging.sources.postgres.bounds import ReadBounds
from staging.sources.postgres.engine import ENGINE_ERRORS, EngineSession
from staging.sources.postgres.faults import of_engine
from staging.sources.postgres.layout import UNCHANGED
from staging.sources.postgres.session import NO_LIMIT, asking, server_name
from staging.sources.postgres.shaping import Shaper
from staging.sources.postgres.snapshot import begin_in, exports_of
from staging.sources.postgres.statement import (
    SelectedColumn,
    Statement,
    Watch,
    compile_statement,
    with_watches,
)
from staging.sources.postgres.stop import stop_backend
from staging.sources.source import NULL, ReadRequest, planned_spec
from staging.sources.stoppable import StoppableReading
from staging.sources.unrepresentable import unrepresentable

_COUNTING = timedelta(minutes=1)


class PostgresReading(StoppableReading):
    """One partition being read; see staging.sources.source.Reading."""

    def __init__(self, connection: Connection, request: ReadRequest) -> None:
        super().__init__()
        self._connection = connection
        self._request = request
        self._spec = planned_spec(request)
        self._bounds = ReadBounds.from_json(request.bounds)
        self._exports = exports_of(request.snapshot)
        self._backend_pid = 0
        self._stopped = Event()

    def cancel(self) -> None:
        """Stop the read and its query on the server, from another thread."""
        super().cancel()
        if self._backend_pid and not self._stopped.is_set():
            self._stop_backend(self._stopped)

    def _read(self) -> Generator[pa.RecordBatch]:
        try:
            self._check_cancelled()
            statement = with_watches(
                self._prepare(),
                is_nulling=self._request.on_unrepresentable == NULL,
                zero_columns=self._bounds.zero_columns,
            )
            shaper = Shaper(statement, self._request, self._nulled)
            with self._session() as session:
                yield from self._stream(session, statement, shaper)
        except ENGINE_ERRORS as error:
            raise self._translated(error, statement) from error
        except SourceError:
            self._check_cancelled()
            raise
        finally:
            self._stopped.set()

    def _stream(
        self, session: EngineSession, statement: Statement, shaper: Shaper
    ) -> Generator[pa.RecordBatch]:
        self._backend_pid = session.backend_pid
        try:
            for pages in self._bounds.ranges():
                self._check_cancelled()
                for batch in session.batches(statement.rows(pages), self._bounds.batch_rows):
                    self._check_cancelled()
                    yield shaper.shape(batch)
            self._check_cancelled()
            self._verify(session, statement, shaper)
        finally:
            if session.is_reading:
                self._stop_backend(None)

    def _session(self) -> EngineSession:
        return EngineSession(self._connection, self._request.session_name, NO_LIMIT, self._exports)

    def _prepare(self) -> Statement:
        """Describe the table again and try the snapshot, where every failure has a SQLSTATE."""
        with asking(self._connection, self._request.session_name) as session:
            try:
                statement = compile_statement(session, self._connection, self._spec)
            except InvalidValue as error:
                raise SourceChanged(f"not as it was planned: {error.detail}") from error
            if self._exports:
                begin_in(session, self._exports)
        if not statement.schema.equals(self._request.schema):
            raise SourceChanged("the table's columns are not those of the plan any more")
        return statement

    def _verify(self, session: EngineSession, statement: Statement, shaper: Shaper) -> None:
        """Look for what only shows at the end, while the transaction still stands."""
        if not session.ask(UNCHANGED)[0][0]:
            raise SourceChanged("the table was truncated or rewritten while it was read")
        if shaper.suspects:
            count = statement.bad_counts(shaper.suspects, self._bounds.pages)
            _check_counts(shaper.suspects, session.ask(count)[0])

    def _translated(self, error: Exception, statement: Statement) -> SourceError:
        """Ask again what failed: the engine's errors are texts, in the server's own language."""
        self._check_cancelled()
        found = of_engine(error, server_name(self._connection))
        stopping = statement.watched(Watch.STOPPING)
        try:
            self._prepare()
            if stopping and not found.retryable:
                self._count_bad(statement, stopping)
        except SourceError as precise:
            return precise
        return found

    def _count_bad(self, statement: Statement, columns: Sequence[SelectedColumn]) -> None:
        count = statement.bad_counts(columns, self._bounds.pages)
        with asking(self._connection, self._request.session_name, _COUNTING) as session:
            if self._exports:
                begin_in(session, self._exports)
            _check_counts(columns, session.execute(count.encode()).fetchall()[0])

    def _stop_backend(self, stopped: Event | None) -> None:
        with suppress(SourceError):
            stop_backend(self._connection, self._backend_pid, self._request.session_name, stopped)


def _check_counts(columns: Sequence[SelectedColumn], counts: Sequence[Any]) -> None:
    for column, count in zip(columns, counts, strict=True):
        if count:
            raise unrepresentable(column.name, count, column.rule.arrow)
