"""Where an object is put while it is fetched: a file without a name, or memory."""

import mmap
import os
import tempfile
from typing import Protocol

import pyarrow as pa
import structlog

from staging.core.errors import StorageUnavailable

_MEMORY_BYTES = 128 * 1024 * 1024
"""The largest object that is held in memory when no disk takes it: twice the default target."""

_log = structlog.get_logger(__name__)


class Room(Protocol):
    """Room for all bytes of an object; what was written can be read at once."""

    def write(self, at: int, part: bytes) -> None:
        """Put bytes at an offset."""

    def read(self, at: int, byte_count: int) -> bytes:
        """Give bytes from an offset on."""

    def file(self) -> pa.NativeFile:
        """Open the whole to be read without copies."""


def room_for(chunk_id: str, byte_count: int) -> Room:
    """Make room on disk, or in memory if the disk is full; raises StorageUnavailable."""
    try:
        return _OnDisk(byte_count)
    except OSError as full:
        if byte_count > _MEMORY_BYTES:
            raise StorageUnavailable("the Flight server could not keep the chunk") from full
        _log.warning("flight.fetched_into_memory", chunk_id=chunk_id, reason=str(full))
        return _InMemory(byte_count)


class _OnDisk:
    def __init__(self, byte_count: int) -> None:
        # Without a name from the start, so nothing is left behind however the process ends.
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  # open as long as it is needed
        os.posix_fallocate(self._file.fileno(), 0, byte_count)

    def write(self, at: int, part: bytes) -> None:
        left = memoryview(part)
        while left:
            written = os.pwrite(self._file.fileno(), left, at)
            at, left = at + written, left[written:]

    def read(self, at: int, byte_count: int) -> bytes:
        return os.pread(self._file.fileno(), byte_count, at)

    def file(self) -> pa.NativeFile:
        return pa.memory_map(f"/dev/fd/{self._file.fileno()}")


class _InMemory:
    def __init__(self, byte_count: int) -> None:
        self._bytes = mmap.mmap(-1, byte_count)

    def write(self, at: int, part: bytes) -> None:
        self._bytes[at : at + len(part)] = part

    def read(self, at: int, byte_count: int) -> bytes:
        return self._bytes[at : at + byte_count]

    def file(self) -> pa.NativeFile:
        return pa.BufferReader(pa.py_buffer(self._bytes))
