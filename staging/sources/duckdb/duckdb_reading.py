"""Read a DuckDB table, or a range of its rows, as record batches."""

from collections.abc import Generator

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from staging.core.errors import InvalidValue, SourceChanged, SourceError
from staging.sources.connection import Connection
from staging.sources.duckdb.database import check_pins, opened
from staging.sources.duckdb.selection import Selection, select
from staging.sources.source import NULL, ReadCancelled, ReadRequest, planned_spec
from staging.sources.stoppable import StoppableReading
from staging.sources.unrepresentable import unrepresentable


class DuckdbReading(StoppableReading):
    """One partition of a DuckDB file being read; see staging.sources.source.Reading."""

    def __init__(self, connection: Connection, request: ReadRequest) -> None:
        super().__init__()
        self._connection = connection
        self._request = request
        self._database: duckdb.DuckDBPyConnection | None = None

    def cancel(self) -> None:
        """Stop the read, also one that is still looking for its first row."""
        super().cancel()
        if self._database is not None:
            self._database.interrupt()

    def _read(self) -> Generator[pa.RecordBatch]:
        self._check_cancelled()
        check_pins(self._connection, self._request.bounds["pins"])
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
        check_pins(self._connection, self._request.bounds["pins"])

    def _selection(self, database: duckdb.DuckDBPyConnection) -> Selection:
        try:
            selection = select(database, self._connection, planned_spec(self._request))
        except InvalidValue as error:
            raise SourceChanged(f"not as it was planned: {error.detail}") from error
        if not selection.schema.equals(self._request.schema):
            raise SourceChanged("the table's columns are not those of the plan any more")
        return selection

    def _rows(
        self, database: duckdb.DuckDBPyConnection, selection: Selection
    ) -> Generator[pa.RecordBatch]:
        self._check_cancelled()
        bounds = self._request.bounds
        query = database.execute(selection.sql(bounds["rows"]), selection.values)
        for batch in _fetched(query, bounds["batch_rows"]):
            self._check_cancelled()
            rows = self._filtered(batch, selection)
            if rows.num_rows:
                yield rows.select(self._request.schema.names).cast(self._request.schema)
        self._check_cancelled()

    def _filtered(self, batch: pa.RecordBatch, selection: Selection) -> pa.RecordBatch:
        """Apply what DuckDB did not, and count what is left of the values without a form."""
        names = [each.name for each in selection.rules]
        flags = [f"{i} " + each.name for i, each in enumerate(selection.guarded)]
        rows = batch.rename_columns([*names, *flags])
        if selection.kept is not None:
            rows = rows.cast(_cast_to(rows.schema, selection)).filter(selection.kept)
        for flag, rule in zip(flags, selection.guarded, strict=True):
            bad = pc.sum(rows.column(flag)).as_py() or 0
            if bad and self._request.on_unrepresentable != NULL:
                raise unrepresentable(rule.name, bad, rule.arrow)
            if bad and rule.name in self._request.schema.names:
                self._nulled[rule.name] += bad
        return rows


def _cast_to(schema: pa.Schema, selection: Selection) -> pa.Schema:
    types = {each.name: each.arrow for each in selection.rules}
    return pa.schema([(each.name, types.get(each.name, each.type)) for each in schema])


def _fetched(query: duckdb.DuckDBPyConnection, batch_rows: int) -> Generator[pa.RecordBatch]:
    try:
        yield from query.to_arrow_reader(batch_rows)
    except (OSError, pa.ArrowException) as error:  # how Arrow passes on a failure of DuckDB
        raise duckdb.Error(type(error).__name__) from error
