"""Read a SQLite table in one transaction, a few thousand rows at a time."""

import sqlite3
from collections.abc import Generator, Sequence
from typing import Any

import pyarrow as pa

from staging.core.errors import InvalidValue, SourceChanged, SourceError, Unrepresentable
from staging.sources.connection import Connection
from staging.sources.source import NULL, ReadCancelled, ReadRequest, planned_spec
from staging.sources.sqlite.database import opened
from staging.sources.sqlite.selection import Selection, select
from staging.sources.stoppable import StoppableReading

_FIRST_ROWS = 1024
_MOST_ROWS = 32_768
_BATCH_BYTES = 8 * 1024 * 1024


class SqliteReading(StoppableReading):
    """One SQLite table being read; see staging.sources.source.Reading."""

    def __init__(self, connection: Connection, request: ReadRequest) -> None:
        super().__init__()
        self._connection = connection
        self._request = request
        self._spec = planned_spec(request)
        self._database: sqlite3.Connection | None = None

    def cancel(self) -> None:
        """Stop the read, also one that is still looking for its first row."""
        super().cancel()
        if self._database is not None:
            self._database.interrupt()

    def _read(self) -> Generator[pa.RecordBatch]:
        self._check_cancelled()
        try:
            with opened(self._connection) as database:
                self._database = database
                yield from self._rows(database, self._selection(database))
        except SourceError as error:
            if self._cancelled.is_set() and not isinstance(error, ReadCancelled):
                raise ReadCancelled() from error
            raise
        finally:
            self._database = None

    def _selection(self, database: sqlite3.Connection) -> Selection:
        try:
            selection = select(database, self._connection, self._spec)
        except InvalidValue as error:
            raise SourceChanged(f"not as it was planned: {error.detail}") from error
        if not selection.schema.equals(self._request.schema):
            raise SourceChanged("the table's columns are not those of the plan any more")
        return selection

    def _rows(
        self, database: sqlite3.Connection, selection: Selection
    ) -> Generator[pa.RecordBatch]:
        self._check_cancelled()
        cursor = database.execute(selection.sql, selection.values)
        size = _FIRST_ROWS
        while rows := cursor.fetchmany(size):
            self._check_cancelled()
            batch = self._batch(selection, rows)
            yield batch
            size = max(1, min(_MOST_ROWS, int(_BATCH_BYTES / (batch.nbytes / len(rows) + 1))))
        self._check_cancelled()

    def _batch(self, selection: Selection, rows: Sequence[tuple[Any, ...]]) -> pa.RecordBatch:
        arrays = []
        for rule, stored in zip(selection.columns, zip(*rows, strict=True), strict=True):
            values, lost = rule.array(stored)
            if lost:
                self._count(rule.name, lost, rule.arrow)
            arrays.append(values)
        return pa.RecordBatch.from_arrays(arrays, schema=self._request.schema)

    def _count(self, column: str, lost: int, kind: pa.DataType) -> None:
        if self._request.on_unrepresentable != NULL:
            raise Unrepresentable(
                f"column {column!r} holds at least {lost} values that {kind} cannot represent; "
                "filter them out, or set on_unrepresentable to null"
            )
        self._nulled[column] += lost
