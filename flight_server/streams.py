"""Give the stream of a chunk: mapped from the cache, or as it is decoded."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyarrow as pa
from pyarrow import flight

from flight_server.build import Build
from flight_server.cache import Cache, Portion
from flight_server.decoding import Decoding
from flight_server.errors import guarded
from flight_server.flights import job_schema
from flight_server.prefetch import Prefetch
from staging.core.chunks import Chunk
from staging.core.jobs import Job
from staging.storage.slots import Slot


@dataclass(frozen=True, slots=True)
class Streams:
    """What streams are made of."""

    cache: Cache
    decoding: Decoding
    prefetch: Prefetch

    def open(
        self,
        job: Job,
        chunk: Chunk,
        columns: tuple[str, ...] | None,
        slot: Slot,
        check_wanted: Callable[[], None],
    ) -> flight.FlightDataStream:
        """Give the chunk's stream, which holds the slot to its end.

        `check_wanted` is called while the object is fetched, and raises when the caller is gone.
        Raises ObjectDamaged, Gone, StorageUnavailable, StorageError, UnknownColumn.
        """
        schema = job_schema(job, columns)
        portion = Portion(job.job_id, chunk.chunk_id, columns)
        source = self.cache.open(portion)
        if source is None:
            source = self.decoding.ask(portion, chunk, schema)
        if not isinstance(source, Build):
            self.prefetch.follow(job, chunk, columns, None)
            return WarmStream(source, slot)
        self.prefetch.follow(job, chunk, columns, source)
        try:
            source.wait_until_readable(check_wanted)
        except BaseException:
            self.decoding.leave(source)
            raise
        return flight.GeneratorStream(schema, _Batches(source, slot))


class WarmStream(flight.RecordBatchStream):  # type: ignore[misc]  # pyarrow has no stubs
    """A table that Arrow streams without Python; holds a slot for as long as it lives."""

    def __init__(self, table: pa.Table, slot: Slot) -> None:
        super().__init__(table)
        self._slot = slot


class _Batches(Iterator[pa.RecordBatch]):
    """The batches of a build; holds a slot to their end."""

    def __init__(self, build: Build, slot: Slot) -> None:
        self._batches = build.batches()
        self._slot = slot

    def __next__(self) -> pa.RecordBatch:
        batch = self._read()
        if batch is None:
            self._slot.release()
            raise StopIteration
        return batch

    @guarded
    def _read(self) -> pa.RecordBatch | None:
        return next(self._batches, None)
