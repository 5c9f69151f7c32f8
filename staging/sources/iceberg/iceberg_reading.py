"""Read a data file of an Iceberg table, its columns found by field id."""

from base64 import b64decode
from collections.abc import Generator
from typing import Any

import pyarrow as pa

from staging.core.errors import SourceUnsupported
from staging.sources.arrow_filters import filter_expression
from staging.sources.files.parquet_file import opened
from staging.sources.files.pins import FilePin
from staging.sources.files.root import Root
from staging.sources.files.row_groups import batch_rows
from staging.sources.iceberg.constants import unpacked
from staging.sources.iceberg.field_ids import field_id, identified, without_ids
from staging.sources.iceberg.projection import Projection
from staging.sources.source import ReadRequest
from staging.sources.stoppable import StoppableReading


class IcebergReading(StoppableReading):
    """One partition of an Iceberg table being read; see staging.sources.source.Reading."""

    def __init__(self, root: Root, request: ReadRequest) -> None:
        super().__init__()
        self._root = root
        self._request = request
        self._pin = FilePin.from_json(request.bounds)
        self._wanted = pa.ipc.read_schema(pa.py_buffer(b64decode(request.bounds["schema"])))
        self._schema = pa.schema(
            [pa.field(field.name, without_ids(field.type)) for field in self._wanted]
        )
        self._projection = Projection(self._pin.path, unpacked(request.bounds["constants"]))

    def _read(self) -> Generator[pa.RecordBatch]:
        self._check_cancelled()
        kept = filter_expression(self._request.spec, self._schema)
        with opened(self._root, self._pin) as file:
            groups = range(*(self._request.bounds["row_groups"] or [0, file.num_row_groups]))
            if groups:
                for batch in file.iter_batches(
                    batch_size=batch_rows(file.metadata, groups),
                    row_groups=groups,
                    columns=self._needed(file.schema_arrow),
                    use_threads=False,
                ):
                    self._check_cancelled()
                    rows = self._projected(batch)
                    if kept is not None:
                        rows = rows.filter(kept)
                    if rows.num_rows:
                        yield rows.select(self._request.schema.names)
        self._check_cancelled()

    def _needed(self, held: pa.Schema) -> list[str]:
        wanted = {field_id(field) for field in self._wanted}
        needed = [field.name for field in self._identified(held) if field_id(field) in wanted]
        return needed or held.names[:1]  # a batch without columns would not know its rows

    def _projected(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        held = self._identified(batch.schema)
        arrays = self._projection.arrays(held, batch.columns, list(self._wanted), batch.num_rows)
        return pa.RecordBatch.from_arrays(arrays, schema=self._schema)

    def _identified(self, held: pa.Schema) -> list[pa.Field]:
        mapping: list[dict[str, Any]] | None = self._request.bounds["name_mapping"]
        fields = identified(held, mapping)
        if fields is None:
            raise SourceUnsupported(
                f"{self._pin.path!r} has no field ids, and the table has no name mapping"
            )
        return fields
