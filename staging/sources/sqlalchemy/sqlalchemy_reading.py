"""Read a table through SQLAlchemy in one transaction, some rows at a time."""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from staging.core.errors import InvalidValue, SourceChanged, SourceError, Unrepresentable
from staging.sources.connection import Connection
from staging.sources.source import NULL, ReadCancelled, ReadRequest, planned_spec
from staging.sources.sqlalchemy.column_rules import ColumnRule
from staging.sources.sqlalchemy.selection import Selection, select
from staging.sources.sqlalchemy.session import opened
from staging.sources.stoppable import StoppableReading
from staging.sources.unrepresentable import unrepresentable

_MOST_ROWS = 16_384
_BATCH_BYTES = 8 * 1024 * 1024
_UNBOUNDED_BYTES = 1024 * 1024
"""What a value that nothing bounds is taken for when rows are fetched."""
_ROW_NUMBER = "\0"
"""A name that no column has."""

_FIXED_BYTES = 16

Row = Sequence[Any]


class SqlalchemyReading(StoppableReading):
    """One table being read; see staging.sources.source.Reading."""

    def __init__(self, connection: Connection, request: ReadRequest) -> None:
        super().__init__()
        self._connection = connection
        self._request = request
        self._stop: Callable[[], object] | None = None

    def cancel(self) -> None:
        """Stop the read: at once if the driver has a call for it, else when rows arrive."""
        super().cancel()
        if self._stop is not None:
            self._stop()

    def _read(self) -> Generator[pa.RecordBatch]:
        self._check_cancelled()
        try:
            with opened(self._connection) as session:
                self._stop = _canceller(session)
                yield from self._batches_of(session, self._selection(session))
        except SourceError as error:
            if self._cancelled.is_set() and not isinstance(error, ReadCancelled):
                raise ReadCancelled() from error
            raise
        finally:
            self._stop = None

    def _selection(self, session: sa.Connection) -> Selection:
        try:
            selection = select(session, self._connection, planned_spec(self._request))
        except InvalidValue as error:
            raise SourceChanged(f"not as it was planned: {error.detail}") from error
        if not selection.schema.equals(self._request.schema):
            raise SourceChanged("the table's columns are not those of the plan any more")
        return selection

    def _batches_of(
        self, session: sa.Connection, selection: Selection
    ) -> Generator[pa.RecordBatch]:
        self._check_cancelled()
        streaming = session.execution_options(stream_results=True)
        with _values_of_driver():
            result = streaming.execute(selection.statement)
        with result:
            for rows in self._groups(result, _fetched_rows(selection.rules.values())):
                batch = self._batch(selection, rows)
                if batch.num_rows:
                    yield batch.select(self._request.schema.names)
        self._check_cancelled()

    def _groups(self, result: sa.CursorResult[Any], fetched_rows: int) -> Iterator[list[Row]]:
        group: list[Row] = []
        size = 0
        while rows := self._fetched(result, fetched_rows):
            group += rows
            size += sum(_size(value) for row in rows for value in row)
            if size >= _BATCH_BYTES or len(group) >= _MOST_ROWS:
                yield group
                group, size = [], 0
        if group:
            yield group

    def _fetched(self, result: sa.CursorResult[Any], rows: int) -> Sequence[Row]:
        self._check_cancelled()
        with _values_of_driver():
            return result.fetchmany(rows)

    def _batch(self, selection: Selection, rows: Sequence[Row]) -> pa.RecordBatch:
        """Give the rows that the filters keep; only theirs are the lost values that count.

        A lost value that a filter asks about counts in any case: nobody knows whether to keep it.
        """
        columns: dict[str, pa.Array] = {}
        lost: dict[str, pa.Array] = {}
        for (name, rule), given in zip(
            selection.rules.items(), zip(*rows, strict=True), strict=True
        ):
            columns[name], gone = rule.array(given)
            if gone is not None:
                lost[name] = gone
        batch = pa.record_batch(columns)
        if selection.kept is not None:
            numbers = pa.array(range(len(rows)))
            batch = batch.append_column(_ROW_NUMBER, numbers).filter(selection.kept)
            kept = batch.column(_ROW_NUMBER)
            lost |= {
                name: gone.take(kept)
                for name, gone in lost.items()
                if name not in selection.filtered
            }
        self._count(selection.rules, lost)
        return batch

    def _count(self, rules: Mapping[str, ColumnRule], lost: Mapping[str, pa.Array]) -> None:
        for name, gone in lost.items():
            count = pc.sum(gone).as_py() or 0
            if count and self._request.on_unrepresentable != NULL:
                raise unrepresentable(name, count, rules[name].arrow)
            if count and name in self._request.schema.names:
                self._nulled[name] += count


@contextmanager
def _values_of_driver() -> Iterator[None]:
    """Say so if the driver itself cannot read a value: no part of its row is known then."""
    try:
        yield
    except (ValueError, ArithmeticError) as error:
        raise Unrepresentable(
            f"the driver cannot read a value of the table ({type(error).__name__}); leave its "
            "column out of columns"
        ) from error


def _fetched_rows(rules: Iterable[ColumnRule]) -> int:
    """Tell how many rows are fetched at once, by the longest values that columns declare."""
    row_bytes = sum(each.most_bytes or _UNBOUNDED_BYTES for each in rules)
    return max(1, min(_MOST_ROWS, _BATCH_BYTES // row_bytes))


def _size(value: Any) -> int:
    return len(value) if isinstance(value, str | bytes) else _FIXED_BYTES


def _canceller(session: sa.Connection) -> Callable[[], object] | None:
    """Give what stops a query from another thread, as psycopg's and oracledb's connections do."""
    cancel: Callable[[], object] | None = getattr(
        session.connection.dbapi_connection, "cancel", None
    )
    if cancel is None:
        return None

    def stop() -> None:
        with suppress(session.dialect.loaded_dbapi.Error):  # the query has just ended by itself
            cancel()

    return stop
