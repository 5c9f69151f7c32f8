"""Measure how large rows are as chunks, from a sample of them."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from staging.storage.draft import ParquetForm
from staging.storage.encodings import choose_encodings
from staging.storage.parquet import ParquetOptions
from staging.storage.row_groups import GROUP_BYTES, row_groups


def encoded_bytes(batches: Sequence[pa.RecordBatch], options: ParquetOptions) -> int:
    """Encode the rows as chunks are, and count their pages; a chunk has a footer besides."""
    sample = pa.Table.from_batches(batches)
    form = ParquetForm(
        sample.schema,
        options.compression,
        options.compression_level,
        choose_encodings(sample),
    )
    sink = pa.BufferOutputStream()
    with form.writer(sink) as writer:
        for group in row_groups(batches, GROUP_BYTES):
            writer.write_table(group, row_group_size=group.num_rows)
    metadata = pq.read_metadata(pa.BufferReader(sink.getvalue()))
    return sum(
        metadata.row_group(group).column(column).total_compressed_size
        for group in range(metadata.num_row_groups)
        for column in range(metadata.num_columns)
    )
