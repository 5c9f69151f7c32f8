"""Chunks that were decoded before, as mapped files of a bounded folder."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import structlog

from flight_server.cache_file import CacheFile, CannotKeep, Draft, delete, is_ours

_MOST_REFUSED = 10_000

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Portion:
    """A chunk, or some of its columns in an order."""

    job_id: str
    chunk_id: str
    columns: tuple[str, ...] | None = None

    @property
    def whole(self) -> "Portion":
        """The portion with all columns."""
        return Portion(self.job_id, self.chunk_id)


class Cache:
    """At most `limit_bytes` of files, the least recently used one goes first; thread-safe.

    The folder belongs to one server, and what is in it to one life of that server: only files
    that this object wrote are served, and only while nobody else has changed them.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.evicted_count = 0
        self._folder = folder
        self._lock = threading.Lock()
        self._files: OrderedDict[Portion, CacheFile] = OrderedDict()
        self._used_bytes = 0
        self._too_large: set[Portion] = set()

    @property
    def used_bytes(self) -> int:
        """What the files hold, those being written included."""
        return self._used_bytes

    def open(self, portion: Portion) -> pa.Table | None:
        """Map the portion, or the whole chunk narrowed to it; None if neither is there, whole."""
        table = self._table(portion)
        if table is not None or portion.columns is None:
            return table
        whole = self._table(portion.whole)
        return None if whole is None else whole.select(list(portion.columns))

    def draft(self, portion: Portion, schema: pa.Schema) -> Draft:
        """Begin the portion's file; it grows as far as there is room.  Raises CannotKeep."""
        if self.limit_bytes == 0 or portion in self._too_large:
            raise CannotKeep("the cache is smaller than it")
        return Draft(
            self._folder,
            portion.chunk_id,
            schema,
            lambda held_bytes, more_bytes: self._take(portion, held_bytes, more_bytes),
        )

    def keep(self, portion: Portion, draft: Draft) -> None:
        """Finish the draft; from now on it is what `open` gives.  Raises CannotKeep."""
        file = draft.finish()
        with self._lock:
            self._remove(portion)
            self._files[portion] = file

    def discard(self, draft: Draft) -> None:
        """Delete a draft, and give its room back."""
        draft.discard()
        with self._lock:
            self._used_bytes -= draft.byte_count

    def drop(self, is_over: Callable[[Portion], bool]) -> None:
        """Delete the files of all portions that are over; who reads one reads it to its end."""
        with self._lock:
            for portion in filter(is_over, list(self._files)):
                self._remove(portion)

    def job_ids(self) -> set[str]:
        """Name the jobs that have files here."""
        with self._lock:
            return {portion.job_id for portion in self._files}

    def clear(self) -> None:
        """Delete every file that a cache made in the folder, also one whose server crashed."""
        self.drop(lambda _: True)
        for path in filter(is_ours, self._folder.glob("*")):
            delete(path)

    def _table(self, portion: Portion) -> pa.Table | None:
        with self._lock:
            file = self._files.get(portion)
            if file is None:
                return None
            self._files.move_to_end(portion)
        table = file.table()
        if table is None:
            _log.warning("flight.cache_file_lost", path=str(file.path))
            with self._lock:
                if self._files.get(portion) is file:
                    self._remove(portion)
        return table

    def _take(self, portion: Portion, held_bytes: int, more_bytes: int) -> None:
        """Count bytes before they are written; older files make room for them."""
        with self._lock:
            if held_bytes + more_bytes > self.limit_bytes:
                self._refuse(portion)
                raise CannotKeep("it is larger than the whole cache")
            while self._files and self._used_bytes + more_bytes > self.limit_bytes:
                self._remove(next(iter(self._files)))
                self.evicted_count += 1
            if self._used_bytes + more_bytes > self.limit_bytes:
                raise CannotKeep("other chunks are being written, and fill the cache")
            self._used_bytes += more_bytes

    def _refuse(self, portion: Portion) -> None:
        """Remember that a portion does not fit: trying again would only push the others out."""
        if len(self._too_large) == _MOST_REFUSED:
            self._too_large.clear()
        self._too_large.add(portion)

    def _remove(self, portion: Portion) -> None:
        file = self._files.pop(portion, None)
        if file is not None:
            self._used_bytes -= file.mark.byte_count
            delete(file.path)
