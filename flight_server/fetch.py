"""Fetch a chunk's object and verify it; its front can be read while the rest is to come."""

import hashlib
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import closing

import pyarrow as pa

from flight_server.room import room_for
from staging.core.chunks import Chunk
from staging.core.errors import Gone, ObjectDamaged, ObjectMissing
from staging.storage.object_body import Span
from staging.storage.objects import ObjectStore

_TAIL_BYTES = 128 * 1024
"""What comes first: Parquet has its index at the end of the file."""
_FOOTER = struct.Struct("<I4s")
_MARK = b"PAR1"
"""What ends a file: the length of its index, and this."""


class _Unwanted(Exception):
    """Nobody reads this any more."""


class Arrival:
    """One object on its way: first its tail, then the rest from the front on."""

    def __init__(self, chunk: Chunk) -> None:
        self._chunk = chunk
        self._room = room_for(chunk.chunk_id, chunk.byte_count)
        self._tail_start = max(0, chunk.byte_count - _TAIL_BYTES)
        self._changed = threading.Condition()
        self._front_bytes = 0
        self._has_tail = False
        self._is_verified = False
        self._is_unwanted = False
        self._error: Exception | None = None

    def file(self) -> pa.NativeFile:
        """Open the object as a file; what has not arrived reads as zeros."""
        return self._room.file()

    def wait_for_index(self) -> None:
        """Wait until Parquet's index is there; raises as `wait_until_verified`."""
        self._wait(lambda: self._has_tail)

    def has(self, end: int) -> bool:
        """Tell whether the bytes before an offset are there."""
        return self._front_bytes >= min(end, self._tail_start)

    def wait_for(self, end: int) -> None:
        """Wait until the bytes before an offset are there; raises as `wait_until_verified`."""
        self._wait(lambda: self.has(end))

    def wait_until_verified(self) -> None:
        """Wait until all is there, of the published length and SHA-256.

        Raises ObjectDamaged, Gone, StorageUnavailable, StorageError.
        """
        self._wait(lambda: self._is_verified)

    def give_up(self) -> None:
        """Say that nobody reads it any more."""
        self._is_unwanted = True

    def fetch(self, store: ObjectStore) -> None:
        """Do the work; every failure is for those who wait."""
        try:
            self._fetch(store)
        except _Unwanted:
            return
        except ObjectMissing:
            chunk = self._chunk
            what = f"chunk {chunk.chunk_index} of job {chunk.job_id} is deleted"
            self._note(error=Gone(what, reason="deleted"))
        except Exception as failed:  # noqa: BLE001  # the edge of a thread: who waits raises it
            self._note(error=failed)

    def _fetch(self, store: ObjectStore) -> None:
        digest = hashlib.sha256()
        tail = self._fetched(store, self._tail_start, self._chunk.byte_count)
        index_start = self._chunk.byte_count - _index_bytes(tail)
        if 0 <= index_start < self._tail_start:
            tail = self._fetched(store, index_start, self._tail_start) + tail
            self._tail_start = index_start
        self._room.write(self._tail_start, tail)
        self._note(has_tail=True)
        for part in self._parts(store, 0, self._tail_start):
            self._room.write(self._front_bytes, part)
            self._note(more_bytes=len(part))
            digest.update(part)
        digest.update(tail)
        if digest.hexdigest() != self._chunk.sha256:
            raise ObjectDamaged(f"chunk {self._chunk.chunk_id} has another SHA-256 than published")
        self._note(is_verified=True)

    def _fetched(self, store: ObjectStore, start: int, end: int) -> bytes:
        return b"".join(self._parts(store, start, end))

    def _parts(self, store: ObjectStore, start: int, end: int) -> Iterator[bytes]:
        if start == end:
            return
        span = Span(start, end)
        body = store.open(self._chunk.key, span, byte_count=self._chunk.byte_count)
        with closing(body):
            for part in body:
                if self._is_unwanted:
                    raise _Unwanted
                yield part

    def _note(
        self,
        *,
        more_bytes: int = 0,
        has_tail: bool = False,
        is_verified: bool = False,
        error: Exception | None = None,
    ) -> None:
        with self._changed:
            self._front_bytes += more_bytes
            self._has_tail |= has_tail
            self._is_verified |= is_verified
            self._error = error
            self._changed.notify_all()

    def _wait(self, is_so: Callable[[], bool]) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._error is not None or is_so())
            if self._error is not None:
                raise self._error


def _index_bytes(tail: bytes) -> int:
    """Give how long the index says it is, 0 if this is no end of a Parquet file."""
    if len(tail) < _FOOTER.size:
        return 0
    length, mark = _FOOTER.unpack(tail[-_FOOTER.size :])
    return int(length) + _FOOTER.size if mark == _MARK else 0


class Fetcher:
    """Brings objects from the store."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def begin(self, chunk: Chunk) -> Arrival:
        """Begin to fetch the chunk's object; raises StorageUnavailable if there is no room."""
        arrival = Arrival(chunk)
        threading.Thread(
            target=arrival.fetch, args=(self._store,), name="fetch", daemon=True
        ).start()
        return arrival
