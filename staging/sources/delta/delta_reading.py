"""Read a data file of a Delta table: its own columns, its partition's values, NULL for the rest."""

from base64 import b64decode
from collections.abc import Generator, Mapping

import pyarrow as pa

from staging.sources.arrow_filters import filter_expression
from staging.sources.files.parquet_file import opened
from staging.sources.files.pins import FilePin
from staging.sources.files.plain_types import plain_schema
from staging.sources.files.root import Root
from staging.sources.files.row_groups import batch_rows
from staging.sources.source import ReadRequest
from staging.sources.stoppable import StoppableReading


class DeltaReading(StoppableReading):
    """One partition of a Delta table being read; see staging.sources.source.Reading."""

    def __init__(self, root: Root, request: ReadRequest) -> None:
        super().__init__()
        self._root = root
        self._request = request
        self._schema = pa.ipc.read_schema(pa.py_buffer(b64decode(request.bounds["schema"])))

    def _read(self) -> Generator[pa.RecordBatch]:
        self._check_cancelled()
        bounds = self._request.bounds
        kept = filter_expression(self._request.spec, self._schema)
        with opened(self._root, FilePin.from_json(bounds)) as file:
            groups = range(*(bounds["row_groups"] or [0, file.metadata.num_row_groups]))
            if groups:
                held = plain_schema(file.schema_arrow).names
                needed = [name for name in self._schema.names if name in held]
                for batch in file.iter_batches(
                    batch_size=batch_rows(file.metadata, groups),
                    row_groups=groups,
                    columns=needed or held[:1],  # a batch without columns would not know its rows
                    use_threads=False,
                ):
                    self._check_cancelled()
                    rows = self._whole(batch)
                    if kept is not None:
                        rows = rows.filter(kept)
                    if rows.num_rows:
                        yield rows.select(self._request.schema.names)
        self._check_cancelled()

    def _whole(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Give the batch in the table's types, with what the file itself does not hold."""
        constants: Mapping[str, str | None] = self._request.bounds["constants"]
        columns = []
        for field in self._schema:
            if field.name in constants:
                value = pa.scalar(constants[field.name], pa.string()).cast(field.type)
                columns.append(pa.repeat(value, batch.num_rows))
            elif field.name in batch.schema.names:
                columns.append(batch.column(field.name).cast(field.type))
            else:
                columns.append(pa.nulls(batch.num_rows, field.type))
        return pa.RecordBatch.from_arrays(columns, schema=self._schema)
