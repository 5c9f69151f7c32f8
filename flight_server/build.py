"""The one decode of a portion, and those who follow it."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from enum import Enum, auto

import pyarrow as pa
import pyarrow.parquet as pq
import structlog

from flight_server.ahead import decoded_ahead
from flight_server.cache import Cache, Portion
from flight_server.cache_file import CannotKeep, Draft, Place
from flight_server.fetch import Arrival, Fetcher
from staging.core.chunks import Chunk
from staging.core.errors import ObjectDamaged
from staging.storage.decode import decoded

_LOOK_SECONDS = 0.5
_FRESH = 2
"""Batches that stay in memory after they were written, for readers that are nearly there."""

_log = structlog.get_logger(__name__)


class Stage(Enum):
    """How far a build is; it ends WHOLE, UNKEPT or FAILED."""

    RUNNING = auto()
    WHOLE = auto()
    UNKEPT = auto()
    FAILED = auto()


_ENDS = frozenset({Stage.WHOLE, Stage.UNKEPT, Stage.FAILED})


class Build:
    """Fetches and decodes into a file of the cache, as fast as it can, both at once.

    What has arrived is decoded; a page whose checksum is wrong is no row of anybody's.  The last
    batch is given when the whole object's SHA-256 is right, and not before.

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
        self._stage = Stage.RUNNING
        self._arrival: Arrival | None = None
        self._draft: Draft | None = None
        self._places: list[Place] = []
        self._fresh: dict[int, pa.RecordBatch] = {}
        self._error: Exception | None = None

    def run(self, fetcher: Fetcher, cache: Cache, pool: ThreadPoolExecutor) -> None:
        """Do the work, with the pool's help; every failure is for those who follow."""
        try:
            self._arrival = fetcher.begin(self._chunk)
            self._move(self._decode(self._arrival, cache, pool))
        except Exception as failed:  # noqa: BLE001  # the edge of a thread: the followers raise it
            if self._arrival is not None:
                self._arrival.give_up()
            self._error = failed
            self._move(Stage.FAILED)

    def abandon(self) -> None:
        """End a build that nobody wants and that has not begun."""
        self._move(Stage.UNKEPT)

    def wait_until_readable(self, check_wanted: Callable[[], None]) -> None:
        """Wait until a batch is there, or all are; raises what the build failed with.

        `check_wanted` is called again and again, and raises when the caller is gone.
        """
        with self._changed:
            while self._stage not in _ENDS and not self._has(0):
                self._changed.wait(_LOOK_SECONDS)
                check_wanted()
            if not self._has(0):
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
        while (batch := self._next(count)) is not None:
            if isinstance(batch, Place):
                assert self._draft is not None
                read = read or self._draft.reader()
                batch = read(batch)
            yield batch
            count, rows = count + 1, rows + batch.num_rows
        if self._stage is Stage.UNKEPT:
            assert self._arrival is not None
            yield from decoded(self._parquet(self._arrival), self._schema, skip_rows=rows)

    def _decode(self, arrival: Arrival, cache: Cache, pool: ThreadPoolExecutor) -> Stage:
        try:
            self._draft = draft = cache.draft(self.portion, self._schema)
        except CannotKeep as full:
            return self._unkept(full, arrival)
        try:
            self._fill(draft, arrival, self._decoded(arrival, pool))
            cache.keep(self.portion, draft)
        except CannotKeep as full:
            cache.discard(draft)
            return self._unkept(full, arrival)
        except BaseException:
            cache.discard(draft)
            raise
        _log.info("flight.kept", chunk_id=self.portion.chunk_id, byte_count=draft.byte_count)
        return Stage.WHOLE

    def _fill(self, draft: Draft, arrival: Arrival, batches: Iterator[pa.RecordBatch]) -> None:
        rows = 0
        for batch in batches:
            rows += batch.num_rows
            if rows == self._chunk.row_count:
                arrival.wait_until_verified()
            self._give(batch)
            self._keep(draft.write(batch))
        arrival.wait_until_verified()

    def _decoded(self, arrival: Arrival, pool: ThreadPoolExecutor) -> Iterator[pa.RecordBatch]:
        arrival.wait_for_index()
        try:
            metadata = self._parquet(arrival).metadata
            yield from decoded_ahead(arrival, metadata, self._schema, pool)
        except (pa.ArrowException, OSError) as wrong:
            raise ObjectDamaged(f"chunk {self._chunk.chunk_id} cannot be decoded") from wrong

    def _parquet(self, arrival: Arrival) -> pq.ParquetFile:
        parquet = pq.ParquetFile(arrival.file(), page_checksum_verification=True)
        if parquet.metadata.num_rows != self._chunk.row_count:
            raise ObjectDamaged(f"chunk {self._chunk.chunk_id} has other rows than published")
        return parquet

    def _unkept(self, full: CannotKeep, arrival: Arrival) -> Stage:
        _log.info("flight.unkept", chunk_id=self.portion.chunk_id, reason=str(full))
        arrival.wait_until_verified()
        return Stage.UNKEPT

    def _give(self, batch: pa.RecordBatch) -> None:
        """Let those who are waiting have it from memory, without waiting for the file."""
        with self._changed:
            self._fresh[len(self._places)] = batch
            self._changed.notify_all()

    def _keep(self, place: Place) -> None:
        with self._changed:
            self._places.append(place)
            self._fresh.pop(len(self._places) - 1 - _FRESH, None)

    def _move(self, stage: Stage) -> None:
        with self._changed:
            self._stage = stage
            self._fresh.clear()
            if stage is not Stage.UNKEPT:
                self._arrival = None
            self._changed.notify_all()

    def _next(self, index: int) -> pa.RecordBatch | Place | None:
        with self._changed:
            self._changed.wait_for(lambda: self._has(index) or self._stage in _ENDS)
            if index in self._fresh:
                return self._fresh[index]
            if index < len(self._places):
                return self._places[index]
            self._check()
            return None

    def _has(self, index: int) -> bool:
        return index < len(self._places) or index in self._fresh

    def _check(self) -> None:
        if self._error is not None:
            raise self._error
