"""Read one partition of a MySQL table in one transaction, as a stream."""

from collections.abc import Generator, Mapping
from threading import Event

import pyarrow as pa

from staging.core.errors import InvalidValue, SourceChanged, SourceError
from staging.sources.connection import Connection
from staging.sources.mysql.batches import batches_of
from staging.sources.mysql.key_range import condition_of
from staging.sources.mysql.session import ASKING, NO_LIMIT, Session, end_session, opened
from staging.sources.mysql.statement import Statement, compile_statement
from staging.sources.source import NULL, ReadRequest, planned_spec
from staging.sources.stoppable import StoppableReading
from staging.sources.unrepresentable import unrepresentable


class MysqlReading(StoppableReading):
    """One partition being read; see staging.sources.source.Reading."""

    def __init__(self, connection: Connection, request: ReadRequest) -> None:
        super().__init__()
        self._connection = connection
        self._request = request
        self._spec = planned_spec(request)
        self._session_id = 0
        self._stopped = Event()

    def cancel(self) -> None:
        """Stop the read and end its session on the server, from another thread.

        Its query ends with it, also one that is only about to start.
        """
        super().cancel()
        if self._session_id and not self._stopped.is_set():
            end_session(self._connection, self._session_id)

    def _read(self) -> Generator[pa.RecordBatch]:
        try:
            self._check_cancelled()
            with opened(self._connection, self._request.session_name, NO_LIMIT) as session:
                self._session_id = session.id
                self._check_cancelled()
                yield from self._stream(session)
        except SourceError:
            self._check_cancelled()
            raise
        finally:
            self._stopped.set()

    def _stream(self, session: Session) -> Generator[pa.RecordBatch]:
        session.limit(ASKING)
        session.begin()
        statement = self._prepare(session)
        session.limit(NO_LIMIT)
        conditions = condition_of(self._request.bounds)
        rows = session.stream(statement.rows(*conditions, label=self._request.session_name))
        try:
            for each in batches_of(rows, statement.columns, self._request.schema):
                self._check_cancelled()
                self._count(each.lost)
                yield each.batch
            self._check_cancelled()
        finally:
            if rows.is_open:
                rows.abandon()
                end_session(self._connection, session.id)

    def _prepare(self, session: Session) -> Statement:
        """Describe the table again; from then on the transaction keeps it from being altered."""
        try:
            statement = compile_statement(session, self._connection, self._spec)
        except InvalidValue as error:
            raise SourceChanged(f"not as it was planned: {error.detail}") from error
        if not statement.schema.equals(self._request.schema):
            raise SourceChanged("the table's columns are not those of the plan any more")
        return statement

    def _count(self, lost: Mapping[str, int]) -> None:
        for column, count in lost.items():
            if self._request.on_unrepresentable != NULL:
                kind = self._request.schema.field(column).type
                raise unrepresentable(column, count, kind)
            self._nulled[column] += count
