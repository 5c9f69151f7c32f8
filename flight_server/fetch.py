"""Fetch a chunk's object and verify it."""

import hashlib
import io
import tempfile
from dataclasses import dataclass
from typing import IO, BinaryIO, cast

import pyarrow as pa
import structlog

from staging.core.chunks import Chunk
from staging.core.errors import Gone, ObjectDamaged, ObjectMissing, StorageUnavailable
from staging.storage.objects import ObjectStore

_MEMORY_BYTES = 128 * 1024 * 1024
"""The largest object that is held in memory when no disk takes it: twice the default target."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Brings objects from the store into memory-mapped files that have no name."""

    store: ObjectStore

    def fetch(self, chunk: Chunk) -> pa.NativeFile:
        """Fetch the chunk's object and verify its length and SHA-256.

        Raises ObjectDamaged, Gone, StorageUnavailable, StorageError.
        """
        try:
            return self._on_disk(chunk)
        except ObjectMissing:
            raise Gone(
                f"chunk {chunk.chunk_index} of job {chunk.job_id} is deleted", reason="deleted"
            ) from None
        except OSError as full:
            if chunk.byte_count > _MEMORY_BYTES:
                raise StorageUnavailable("the Flight server could not keep the chunk") from full
            _log.warning("flight.fetched_into_memory", chunk_id=chunk.chunk_id, reason=str(full))
            return self._in_memory(chunk)

    def _on_disk(self, chunk: Chunk) -> pa.NativeFile:
        # Without a name from the start, so nothing is left behind however the process ends.
        with tempfile.TemporaryFile() as file:
            self._verified(chunk, file)
            file.flush()
            return pa.memory_map(f"/dev/fd/{file.fileno()}")

    def _in_memory(self, chunk: Chunk) -> pa.NativeFile:
        held = io.BytesIO()
        self._verified(chunk, held)
        return pa.BufferReader(pa.py_buffer(held.getbuffer()))

    def _verified(self, chunk: Chunk, file: IO[bytes]) -> None:
        into = _Hashing(file)
        self.store.fetch(chunk.key, cast("BinaryIO", into))
        if (into.length, into.digest.hexdigest()) != (chunk.byte_count, chunk.sha256):
            raise ObjectDamaged(
                f"chunk {chunk.chunk_id} has another length or SHA-256 than published"
            )


class _Hashing:
    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()
        self.length = 0

    def write(self, piece: bytes) -> int:
        self.digest.update(piece)
        self.length += len(piece)
        return self._file.write(piece)
