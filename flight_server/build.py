"""The one decode of a portion, and those who follow it."""

import threading
from collections.abc import Callable, Iterator
from enum import Enum, auto

import pyarrow as pa
import pyarrow.parquet as pq
import structlog

from flight_server.cache import Cache, Portion
from flight_server.cache_file import CannotKeep, Draft, Place
from flight_server.fetch import Fetcher
from staging.core.chunks import Chunk
from staging.storage.decode import decoded

_LOOK_SECONDS = 0.5

_log = structlog.get_logger(__name__)


class Stage(Enum):
    """How far a build is; it ends WHOLE, UNKEPT or FAILED."""

    FETCHING = auto()
    DECODING = auto()
    WHOLE = auto()
    UNKEPT = auto()
    FAILED = auto()


_ENDS = frozenset({Stage.WHOLE, Stage.UNKEPT, Stage.FAILED})


class Build:
    """Fetches and decodes into a file of the cache, as fast as it can.

    Any number of readers follow it in that file, each at its own pace.  When the file can grow
    no further the build ends UNKEPT, and its readers decode the rest, each for itself.
    """

    def __init__(self, portion: Portion, chunk: Chunk, schema: pa.Schema) -> None:
        self.portion = portion
        self.askers = 0
        """Guarded by the lock of Decoding."""
        self._chunk = chunk
        self._schema = schema
        self._changed = threading.Condition()
        self._stage = Stage.FETCHING
        self._file: pa.NativeFile | None = None
        self._draft: Draft | None = None
        self._places: list[Place] = []
        self._error: Exception | None = None

    def run(self, fetcher: Fetcher, cache: Cache) -> None:
        """Do the work; every failure is for those who follow."""
        try:
            file = fetcher.fetch(self._chunk)
            self._move(Stage.DECODING, file)
            self._move(self._decode(file, cache))
        except Exception as failed:  # noqa: BLE001  # the edge of a thread: the followers raise it
            self._error = failed
            self._move(Stage.FAILED)

    def abandon(self) -> None:
        """End a build that nobody wants and that has not begun."""
        self._move(Stage.UNKEPT)

    def wait_until_readable(self, check_wanted: Callable[[], None]) -> None:
        """Wait until the object is fetched and verified; raises what the build failed with.

        `check_wanted` is called again and again, and raises when the caller is gone.
        """
        with self._changed:
            while self._stage is Stage.FETCHING:
                self._changed.wait(_LOOK_SECONDS)
                check_wanted()
            self._check()

    def wait_until_whole(self) -> bool:
        """Wait for the end; tell whether the portion is decoded and kept."""
        with self._changed:
            self._changed.wait_for(lambda: self._stage in _ENDS)
            return self._stage is Stage.WHOLE

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Give the rows in order, as they are decoded; raises what the build failed with."""
        read: Callable[[Place], pa.RecordBatch] | None = None
        count = rows = 0
        while (place := self._next_place(count)) is not None:
            assert self._draft is not None
            read = read or self._draft.reader()
            batch = read(place)
            yield batch
            count, rows = count + 1, rows + batch.num_rows
        if self._stage is Stage.UNKEPT:
            yield from decoded(pq.ParquetFile(self._file), self._schema, skip_rows=rows)

    def _decode(self, file: pa.NativeFile, cache: Cache) -> Stage:
        try:
            self._draft = draft = cache.draft(self.portion, self._schema)
        except CannotKeep as full:
            return self._unkept(full)
        try:
            for batch in decoded(pq.ParquetFile(file), self._schema):
                self._announce(draft.write(batch))
            cache.keep(self.portion, draft)
        except CannotKeep as full:
            cache.discard(draft)
            return self._unkept(full)
        except BaseException:
            cache.discard(draft)
            raise
        _log.info("flight.kept", chunk_id=self.portion.chunk_id, byte_count=draft.byte_count)
        return Stage.WHOLE

    def _unkept(self, full: CannotKeep) -> Stage:
        _log.info("flight.unkept", chunk_id=self.portion.chunk_id, reason=str(full))
        return Stage.UNKEPT

    def _announce(self, place: Place) -> None:
        with self._changed:
            self._places.append(place)
            self._changed.notify_all()

    def _move(self, stage: Stage, file: pa.NativeFile | None = None) -> None:
        with self._changed:
            self._stage = stage
            if file is not None or stage is Stage.WHOLE:
                self._file = file
            self._changed.notify_all()

    def _next_place(self, index: int) -> Place | None:
        with self._changed:
            self._changed.wait_for(lambda: len(self._places) > index or self._stage in _ENDS)
            if len(self._places) > index:
                return self._places[index]
            self._check()
            return None

    def _check(self) -> None:
        if self._error is not None:
            raise self._error
