"""Read a CSV file: texts become values of the job's types, and what does not is stated."""

from collections.abc import Generator
from contextlib import closing

import pyarrow as pa

from staging.core.errors import SourceChanged, Unrepresentable
from staging.sources.arrow_filters import filter_expression
from staging.sources.files.csv_file import header, text_batches
from staging.sources.files.csv_types import convert, type_named
from staging.sources.files.pins import FilePin
from staging.sources.files.root import Root
from staging.sources.source import NULL, ReadRequest
from staging.sources.stoppable import StoppableReading


class CsvReading(StoppableReading):
    """One CSV file being read; see staging.sources.source.Reading."""

    def __init__(self, root: Root, request: ReadRequest) -> None:
        super().__init__()
        self._root = root
        self._request = request

    def _read(self) -> Generator[pa.RecordBatch]:
        self._check_cancelled()
        pin = FilePin.from_json(self._request.bounds)
        names = header(self._root, pin)
        needed = self._needed()
        if not set(needed.names) <= set(names):
            raise SourceChanged(f"{pin.path!r} no longer has the columns of the plan")
        kept = filter_expression(self._request.spec, needed)
        with closing(text_batches(self._root, pin, needed.names, names)) as batches:
            for batch in batches:
                self._check_cancelled()
                rows = self._converted(batch, needed)
                if kept is not None:
                    rows = rows.filter(kept)
                if rows.num_rows:
                    yield rows.select(self._request.schema.names)
        self._check_cancelled()

    def _needed(self) -> pa.Schema:
        """Give the job's columns and those that only filters name."""
        schema = self._request.schema
        for name, kind in self._request.bounds["filter_types"].items():
            if name not in schema.names:
                schema = schema.append(pa.field(name, type_named(kind)))
        return schema

    def _converted(self, batch: pa.RecordBatch, needed: pa.Schema) -> pa.RecordBatch:
        columns = []
        for field in needed:
            values, bad = convert(batch.column(field.name), field.type)
            if bad:
                self._count(field, bad)
            columns.append(values)
        return pa.RecordBatch.from_arrays(columns, schema=needed)

    def _count(self, field: pa.Field, bad: int) -> None:
        if self._request.on_unrepresentable != NULL:
            raise Unrepresentable(
                f"column {field.name!r} has at least {bad} texts that are no {field.type}, the "
                "type found at planning; set on_unrepresentable to null to read them as NULL"
            )
        self._nulled[field.name] += bad
