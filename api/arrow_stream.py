"""A chunk's rows as an Arrow IPC stream, read from the store a column of a row group at a time."""

import io
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from staging.core.chunks import Chunk
from staging.core.errors import ObjectDamaged
from staging.storage.decode import decoded
from staging.storage.object_body import ObjectFile, Opener

_BATCH_BYTES = 4 << 20
_PIECE_BYTES = 1 << 20


def arrow_stream(store: Opener, chunk: Chunk, arrow_schema: bytes) -> Iterator[bytes]:
    """Open a chunk's Parquet file; give its rows as the bytes of an IPC stream, batch by batch.

    Raises, before the first byte, ObjectMissing, ObjectDamaged and StorageUnavailable; later what
    cannot be read ends the stream without its end mark.
    """
    file = ObjectFile(store, chunk.key, chunk.byte_count)
    try:
        # With pre_buffer the whole file is kept (pyarrow 26).
        parquet = pq.ParquetFile(
            pa.PythonFile(file, "r"), pre_buffer=False, page_checksum_verification=True
        )
    except pa.ArrowInvalid as damaged:
        raise ObjectDamaged(f"chunk {chunk.chunk_id} is no Parquet file") from damaged
    if parquet.metadata.num_rows != chunk.row_count:
        raise ObjectDamaged(f"chunk {chunk.chunk_id} does not have {chunk.row_count} rows")
    schema = pa.ipc.read_schema(pa.py_buffer(arrow_schema))
    return _pieces(schema, decoded(parquet, schema, batch_bytes=_BATCH_BYTES))


def _pieces(schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> Iterator[bytes]:
    sink = _Sink()
    with pa.ipc.new_stream(sink, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
            yield from sink.drain()
    yield from sink.drain()


class _Sink(io.RawIOBase):
    """Takes what the writer writes, to be drained."""

    def __init__(self) -> None:
        super().__init__()
        self._held: list[bytes] = []
        self._count = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._count

    def write(self, piece: pa.Buffer | bytes) -> int:
        self._held.append(bytes(piece))
        self._count += len(piece)
        return len(piece)

    def drain(self) -> Iterator[bytes]:
        """Give what is held, 1 MiB at once, and forget it."""
        held, self._held = b"".join(self._held), []
        for start in range(0, len(held), _PIECE_BYTES):
            yield held[start : start + _PIECE_BYTES]
