"""Stream one chunk: fetch its object, verify it, read it batch by batch."""

import hashlib
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import IO, BinaryIO, cast

import pyarrow as pa
import pyarrow.parquet as pq

from flight_server.errors import guarded
from staging.core.chunks import Chunk
from staging.core.errors import Gone, ObjectMissing, StorageError, StorageUnavailable, TooBusy
from staging.storage.objects import ObjectStore

_BATCH_ROWS = 65_536
_BATCH_BYTES = 16 * 1024 * 1024


class Damaged(StorageError):
    """The stored object is not the one that was published."""

    code = "object_damaged"


class Slots:
    """Bound how many streams are open at once."""

    def __init__(self, count: int) -> None:
        self._free = threading.BoundedSemaphore(count)

    def take(self) -> "Slot":
        """Take a slot; raises TooBusy if none is free."""
        if not self._free.acquire(blocking=False):
            raise TooBusy("all streams are in use; try again in a moment")
        return Slot(self._free)


class Slot:
    """One open stream's place, given back once, at the latest when nobody holds it any more."""

    def __init__(self, free: threading.BoundedSemaphore) -> None:
        self.release: Callable[[], object] = weakref.finalize(self, free.release)

    def __enter__(self) -> "Slot":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self.release()


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Brings objects from the store into memory-mapped files that have no name."""

    store: ObjectStore

    def fetch(self, chunk: Chunk, check_wanted: Callable[[], None]) -> pa.MemoryMappedFile:
        """Fetch the chunk's object and verify its length and SHA-256.

        `check_wanted` is called between writes and raises when the caller is gone.
        Raises Damaged, StorageUnavailable, StorageError.
        """
        try:
            # Without a name from the start, so nothing is left behind however the process ends.
            with tempfile.TemporaryFile() as file:
                into = _Verifying(file, check_wanted)
                self.store.fetch(chunk.key, cast("BinaryIO", into))
                file.flush()
                into.verify(chunk)
                return pa.memory_map(f"/dev/fd/{file.fileno()}")
        except ObjectMissing:
            raise Gone(
                f"chunk {chunk.chunk_index} of job {chunk.job_id} is deleted", reason="deleted"
            ) from None
        except OSError as error:
            raise StorageUnavailable("the Flight server could not keep the chunk") from error


class _Verifying:
    def __init__(self, file: IO[bytes], check: Callable[[], None]) -> None:
        self._file = file
        self._check = check
        self._digest = hashlib.sha256()
        self._length = 0

    def write(self, piece: bytes) -> int:
        self._check()
        self._digest.update(piece)
        self._length += len(piece)
        return self._file.write(piece)

    def verify(self, chunk: Chunk) -> None:
        if (self._length, self._digest.hexdigest()) != (chunk.byte_count, chunk.sha256):
            raise Damaged(f"chunk {chunk.chunk_id} has another length or SHA-256 than published")


class ChunkBatches(Iterator[pa.RecordBatch]):
    """The rows of a fetched chunk, each batch of exactly the schema; holds a slot to its end."""

    def __init__(self, file: pa.MemoryMappedFile, schema: pa.Schema, slot: Slot) -> None:
        self._file = pq.ParquetFile(file)
        self._schema = schema
        self._slot = slot
        self._batches = self._file.iter_batches(
            batch_size=_rows_per_batch(self._file.metadata), columns=schema.names
        )

    def __next__(self) -> pa.RecordBatch:
        batch = self._read()
        if batch is None:
            self._slot.release()
            raise StopIteration
        return batch

    @guarded
    def _read(self) -> pa.RecordBatch | None:
        batch = next(self._batches, None)
        if batch is None:
            return None
        return batch.select(self._schema.names).cast(self._schema)


def _rows_per_batch(metadata: pq.FileMetaData) -> int:
    groups = (metadata.row_group(index) for index in range(metadata.num_row_groups))
    widest = max((group.total_byte_size / max(group.num_rows, 1) for group in groups), default=1)
    return max(1, min(_BATCH_ROWS, int(_BATCH_BYTES / max(widest, 1))))
