"""Read a Parquet file, or some of its row groups, in bounded memory."""

from collections.abc import Generator
from typing import Any

import pyarrow as pa

from staging.core.errors import InvalidValue, SourceChanged
from staging.sources.arrow_filters import filter_expression
from staging.sources.files.parquet_file import opened
from staging.sources.files.pins import FilePin
from staging.sources.files.plain_types import plain_schema
from staging.sources.files.root import Root
from staging.sources.files.row_groups import batch_rows
from staging.sources.source import ReadRequest
from staging.sources.stoppable import StoppableReading


class ParquetReading(StoppableReading):
    """One partition of Parquet being read; see staging.sources.source.Reading."""

    def __init__(self, root: Root, request: ReadRequest) -> None:
        super().__init__()
        self._root = root
        self._request = request

    def _read(self) -> Generator[pa.RecordBatch]:
        self._check_cancelled()
        request = self._request
        with opened(self._root, FilePin.from_json(request.bounds)) as file:
            schema = plain_schema(file.schema_arrow)
            needed = pa.schema([schema.field(name) for name in _needed(request)])
            kept = _filters(request, schema)
            groups = range(*request.bounds["row_groups"])
            for batch in file.iter_batches(
                batch_size=batch_rows(file.metadata, groups),
                row_groups=groups,
                columns=needed.names,
                use_threads=False,
            ):
                self._check_cancelled()
                rows = batch.select(needed.names).cast(needed)
                if kept is not None:
                    rows = rows.filter(kept)
                if rows.num_rows:
                    yield rows.select(request.schema.names)
        self._check_cancelled()


def _filters(request: ReadRequest, schema: pa.Schema) -> Any:
    try:
        return filter_expression(request.spec, schema)
    except InvalidValue as error:
        raise SourceChanged("the file's columns are not those of the plan any more") from error


def _needed(request: ReadRequest) -> list[str]:
    filtered = [each.column for each in request.spec.filters]
    return list(dict.fromkeys([*request.schema.names, *filtered]))
