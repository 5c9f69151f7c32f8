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
from flight_server.metrics import FlightMetrics, Tally
from flight_server.prefetch import Prefetch
from staging.core.chunks import Chunk
from staging.core.jobs import Job
from staging.storage.slots import Slot


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads one stream: the slot it holds, and what counts what it is given."""

    slot: Slot
    tally: Tally
    check_wanted: Callable[[], None]
    """Raises when the caller is gone; called while the object is fetched."""


@dataclass(frozen=True, slots=True)
class Streams:
    """What streams are made of."""

    cache: Cache
    decoding: Decoding
    prefetch: Prefetch
    metrics: FlightMetrics

    def open(
        self,
        job: Job,
        chunk: Chunk,
        columns: tuple[str, ...] | None,
        reader: Reader,
    ) -> flight.FlightDataStream:
        """Give the chunk's stream, which holds the reader's slot to its end.

        Raises ObjectDamaged, Gone, StorageUnavailable, StorageError, UnknownColumn.
        """
        schema = job_schema(job, columns)
        portion = Portion(job.job_id, chunk.chunk_id, columns)
        source = self.cache.open(portion)
        if source is None:
            source = self.decoding.ask(portion, chunk, schema)
        if not isinstance(source, Build):
            self.metrics.reads.labels("hit").inc()
            self.prefetch.follow(job, chunk, columns, None)
            reader.tally.give(source.num_rows, source.nbytes)
            return WarmStream(source, reader.slot)
        self.metrics.reads.labels("miss").inc()
        self.prefetch.follow(job, chunk, columns, source)
        try:
            source.wait_until_readable(reader.check_wanted)
        except BaseException:
            self.decoding.leave(source)
            raise
        return flight.GeneratorStream(schema, _Batches(source, reader))


class WarmStream(flight.RecordBatchStream):  # type: ignore[misc]  # pyarrow has no stubs
    """A table that Arrow streams without Python; holds a slot for as long as it lives."""

    def __init__(self, table: pa.Table, slot: Slot) -> None:
        super().__init__(table)
        self._slot = slot


class _Batches(Iterator[pa.RecordBatch]):
    """The batches of a build; holds a slot to their end."""

    def __init__(self, build: Build, reader: Reader) -> None:
        self._batches = build.batches()
        self._reader = reader

    def __next__(self) -> pa.RecordBatch:
        batch = self._read()
        if batch is None:
            self._reader.slot.release()
            raise StopIteration
        self._reader.tally.give(batch.num_rows, batch.nbytes)
        return batch

    @guarded
    def _read(self) -> pa.RecordBatch | None:
        return next(self._batches, None)
