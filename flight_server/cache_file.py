"""One file of the cache, Arrow's IPC file form: written once, read while it grows, then mapped."""

import os
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import structlog

_GROWING, _WHOLE = ".part", ".arrow"
_NAME = re.compile(rf"[0-9a-f-]{{36}}\.[0-9a-f]{{32}}({_GROWING}|{_WHOLE})")

_log = structlog.get_logger(__name__)


class CannotKeep(Exception):
    """The cache takes no more of this: it is full, or its disk is, or its folder is gone."""


def is_ours(path: Path) -> bool:
    """Tell whether a file has the name of one of the cache's."""
    return _NAME.fullmatch(path.name) is not None


def delete(path: Path) -> None:
    """Delete a file of the cache; one that is not there is fine, another failure is logged."""
    try:
        path.unlink(missing_ok=True)
    except OSError as refused:
        _log.warning("flight.cache_file_stays", path=str(path), reason=str(refused))


@dataclass(frozen=True, slots=True)
class Mark:
    """What a file cannot keep when somebody writes to it; no program can set the change time."""

    device: int
    inode: int
    byte_count: int
    modified_ns: int
    changed_ns: int

    @classmethod
    def of(cls, descriptor: int) -> "Mark":
        """Read the mark of an open file."""
        found = os.fstat(descriptor)
        return cls(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


@dataclass(frozen=True, slots=True)
class CacheFile:
    """A whole file, and its mark from when it was finished."""

    path: Path
    mark: Mark

    def table(self) -> pa.Table | None:
        """Map the file; None if it is not the file that was written, whole and unchanged.

        No row is read for that: trusting the mark is what makes it cheap.
        """
        try:
            with self.path.open("rb") as file:
                if Mark.of(file.fileno()) != self.mark:
                    return None
                return pa.ipc.open_file(_mapped(file.fileno())).read_all()
        except OSError:
            return None


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a growing file a batch lies."""

    offset: int
    byte_count: int


class Draft:
    """A file that is being written; a batch can be read as soon as it has its place.

    Before each write `take` is told how much the file holds and how much more it needs; it
    raises CannotKeep if there is no room.
    """

    def __init__(
        self, folder: Path, chunk_id: str, schema: pa.Schema, take: Callable[[int, int], None]
    ) -> None:
        self.byte_count = 0
        self._take = take
        self._schema = schema
        self._path = folder / f"{chunk_id}.{uuid.uuid4().hex}{_GROWING}"
        with _translated():
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = self._path.open("x+b")
            self._sink = pa.OSFile(f"/dev/fd/{self._file.fileno()}", "wb")
            self._writer = pa.ipc.new_file(self._sink, schema)

    def write(self, batch: pa.RecordBatch) -> Place:
        """Append a batch; raises CannotKeep, after which only `discard` is of use."""
        length = pa.ipc.get_record_batch_size(batch)
        self._reserve(length)
        with _translated():
            self._writer.write_batch(batch)
            return Place(self._sink.tell() - length, length)

    def finish(self) -> CacheFile:
        """Give the file its lasting name, in one step; raises CannotKeep."""
        with _translated():
            self._writer.close()
            self._reserve(self._sink.tell() - self.byte_count)
            self._sink.close()
            whole = self._path.with_suffix(_WHOLE)
            self._path.replace(whole)
            return CacheFile(whole, Mark.of(self._file.fileno()))

    def discard(self) -> None:
        """Delete the file; who follows it reads on what it holds."""
        delete(self._path)

    def reader(self) -> Callable[[Place], pa.RecordBatch]:
        """Give what reads batches of this file, without a copy, for one thread."""
        mapped: pa.MemoryMappedFile | None = None

        def read(place: Place) -> pa.RecordBatch:
            nonlocal mapped
            if mapped is None or mapped.size() < place.offset + place.byte_count:
                mapped = _mapped(self._file.fileno())
            mapped.seek(place.offset)
            message = pa.ipc.read_message(mapped.read_buffer(place.byte_count))
            return pa.ipc.read_record_batch(message, self._schema)

        return read

    def _reserve(self, byte_count: int) -> None:
        self._take(self.byte_count, byte_count)
        self.byte_count += byte_count


def _mapped(descriptor: int) -> pa.MemoryMappedFile:
    return pa.memory_map(f"/dev/fd/{descriptor}")


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OSError as refused:
        raise CannotKeep(str(refused)) from refused
