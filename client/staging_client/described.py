"""Read a chunk from its descriptor alone: no service, no identity."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from staging_client.download import Download
from staging_client.errors import LinkRefused, ShortRead
from staging_client.links import LinkOver, LinkReader
from staging_client.patience import Patience
from staging_client.views import ChunkView


def read_described(descriptor: Mapping[str, Any], columns: Sequence[str] | None = None) -> pa.Table:
    """Read the chunk whose JSON, as the service shows it, this is, by its link.

    So a worker needs no way to the service and no credential but what the JSON holds; the link
    must still be good.  Raises ChecksumMismatch, LinkRefused, ShortRead, Unavailable.
    """
    chunk, into = ChunkView.from_json(descriptor), io.BytesIO()
    links = LinkReader(Patience())
    try:
        links.fetch(chunk, Download(chunk, into))
    except LinkOver:
        raise LinkRefused(f"chunk {chunk.chunk_index}: the link is over") from None
    finally:
        links.close()
    table = pq.read_table(pa.BufferReader(into.getbuffer()), columns=columns)
    if table.num_rows != chunk.row_count:
        raise ShortRead(
            f"chunk {chunk.chunk_index} has {table.num_rows} rows, {chunk.row_count} were published"
        )
    return table
