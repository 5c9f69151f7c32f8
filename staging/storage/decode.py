"""Decode a chunk's Parquet file into record batches."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

_BATCH_ROWS = 65_536
"""Served from a mapped file, 16k to 64k rows are alike; 128k are slower, 256k half as fast."""
_BATCH_BYTES = 16 * 1024 * 1024


def decoded(
    parquet: pq.ParquetFile,
    schema: pa.Schema,
    *,
    skip_rows: int = 0,
    batch_bytes: int = _BATCH_BYTES,
) -> Iterator[pa.RecordBatch]:
    """Give the rows in order, each batch of exactly the schema, without the first `skip_rows`.

    A batch has so many bytes at most, as far as the rows of the widest row group are alike.
    """
    groups, skip = _after(parquet.metadata, skip_rows)
    batches = parquet.iter_batches(
        _rows_per_batch(parquet.metadata, batch_bytes), row_groups=groups, columns=schema.names
    )
    for batch in batches:
        kept = batch.slice(min(skip, batch.num_rows))
        skip -= batch.num_rows - kept.num_rows
        if kept.num_rows:
            yield kept.select(schema.names).cast(schema)


def decoded_group(parquet: pq.ParquetFile, group: int, schema: pa.Schema) -> list[pa.RecordBatch]:
    """Give the rows of one row group, in batches as those of `decoded`, decoded by this thread."""
    batches = parquet.iter_batches(
        _rows_per_batch(parquet.metadata, _BATCH_BYTES),
        row_groups=[group],
        columns=schema.names,
        use_threads=False,
    )
    return [each.select(schema.names).cast(schema) for each in batches]


def end_of_group(metadata: pq.FileMetaData, group: int) -> int:
    """Give the offset in the file at which the pages of a row group end."""
    found = metadata.row_group(group)
    columns = [found.column(index) for index in range(found.num_columns)]
    return max((_start_of(each) + int(each.total_compressed_size) for each in columns), default=0)


def _start_of(column: pq.ColumnChunkMetaData) -> int:
    starts = (column.dictionary_page_offset, column.data_page_offset)
    return min(int(each) for each in starts if each is not None)


def _after(metadata: pq.FileMetaData, rows: int) -> tuple[list[int], int]:
    """Give the row groups that do not end within so many rows, and the rows to skip in them."""
    groups = list(range(metadata.num_row_groups))
    while groups and rows >= metadata.row_group(groups[0]).num_rows:
        rows -= metadata.row_group(groups.pop(0)).num_rows
    return groups, rows


def _rows_per_batch(metadata: pq.FileMetaData, batch_bytes: int) -> int:
    groups = (metadata.row_group(index) for index in range(metadata.num_row_groups))
    widest = max((group.total_byte_size / max(group.num_rows, 1) for group in groups), default=1)
    return max(1, min(_BATCH_ROWS, int(batch_bytes / max(widest, 1))))
