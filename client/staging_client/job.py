"""One job: wait for it, follow it, read it, steer it."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import pyarrow as pa

from staging_client.arrow_types import schema_of
from staging_client.chunk import Chunk, Readers
from staging_client.errors import JobFailed, ShortRead, TimedOut
from staging_client.following import LOST, WAIT_SECONDS, ask_page, check_alive, follow
from staging_client.prefetching import Room, read_ahead
from staging_client.routes import Routes
from staging_client.views import JobView, Progress

FINAL = frozenset({"completed", "failed", "cancelled", "expired"})
PREFETCH_BYTES = 256 * 1024 * 1024
_LOOK_SECONDS = 5
"""How often who reads ahead looks whether anybody still wants it."""
_REACHED = {"staged": frozenset({"staged", "completed"})}


class Job:
    """A job of the organisation; `view` is what was last heard of it.

    Its `__arrow_c_stream__` (Arrow's PyCapsule interface) is that of `read`.
    """

    def __init__(self, readers: Readers, view: JobView) -> None:
        self._readers = readers
        self.view = view

    @property
    def job_id(self) -> str:
        """The job's id."""
        return self.view.job_id

    @property
    def state(self) -> str:
        """The state that was last heard of."""
        return self.view.state

    def refresh(self) -> JobView:
        """Ask how the job is now."""
        page = ask_page(self._readers.http, self.job_id)
        assert page is not None  # nothing was said that it could be like
        self.view = page.job
        return self.view

    def progress(self) -> Progress:
        """Ask how far the job is."""
        return self.refresh().progress

    def changes(self, timeout: float | None = None) -> Iterator[JobView]:
        """Give the job as it is, then again whenever it has changed, until it is final.

        Raises TimedOut after `timeout` seconds.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        unlike: str | None = None
        while True:
            wait = WAIT_SECONDS if deadline is None else deadline - time.monotonic()
            if wait < 0:
                raise TimedOut(f"job {self.job_id} is {self.state} after {timeout} s")
            page = ask_page(
                self._readers.http,
                self.job_id,
                unlike=unlike,
                wait_seconds=max(1, min(WAIT_SECONDS, round(wait))) if unlike else 0,
            )
            if page is None:
                continue
            self.view, unlike = page.job, page.etag
            yield self.view
            if self.state in FINAL:
                return

    def until(self, state: str = "staged", timeout: float | None = None) -> Iterator[JobView]:
        """Give the job as it is and at each change, until it is in a state.

        `staged` is also reached by a completed job.  Raises JobFailed if the job ends elsewhere,
        TimedOut after `timeout` seconds.
        """
        reached = _REACHED.get(state, frozenset({state}))
        for view in self.changes(timeout):
            yield view
            if view.state in reached:
                return
            if view.state in LOST and (view.state, state) != ("cancelling", "cancelled"):
                check_alive(view)
        raise JobFailed(
            f"job {self.job_id} ended as {self.state}, not as {state}",
            state=self.state,
            code=self.state,
        )

    def wait(self, until: str = "staged", timeout: float | None = None) -> "Job":
        """Wait until the job is in a state; as `until`, but gives the job."""
        for _ in self.until(until, timeout):
            pass
        return self

    def published(self, start: int = 0) -> Iterator[Chunk]:
        """Give the chunks from an index on that are published now, without waiting for more."""
        page = None
        while page is None or not page.is_last:
            page = ask_page(self._readers.http, self.job_id, since_index=start)
            assert page is not None  # nothing was said that it could be like
            self.view = page.job
            start += len(page.chunks)
            for each in page.chunks:
                yield Chunk(self._readers, self.job_id, each)

    def chunks(self, start: int = 0) -> Iterator[Chunk]:
        """Give the chunks from an index on, in order, as they are published, until all are given.

        Raises JobFailed, and ShortRead if the sealed job has other chunks than it promises.
        """
        return (each for each in self._followed(start, WAIT_SECONDS) if each is not None)

    def read(
        self,
        start: int = 0,
        *,
        columns: Sequence[str] | None = None,
        prefetch_bytes: int = PREFETCH_BYTES,
    ) -> pa.RecordBatchReader:
        """Read the chunks from an index on, in order, as a stream of record batches.

        Each chunk comes by the first route that works, Flight, its link, or through the service,
        and is verified before its first row is given; chunks still to come are waited for.  At
        most `prefetch_bytes` of Parquet are read ahead.  Comes back with the first chunk.
        Raises, here or while it is iterated, what `chunks` and Chunk.read_data raise.
        """
        return self._read(start, columns, Room(prefetch_bytes))

    def _read(self, start: int, columns: Sequence[str] | None, room: Room) -> pa.RecordBatchReader:
        chunks = self._followed(start, _LOOK_SECONDS)
        tables = read_ahead(chunks, Routes(columns).read, room)
        first = next(tables, None)
        if first is None:
            schema = schema_of(tuple(self.view.manifest.schema or ()))
            kept = schema.names if columns is None else columns
            return pa.schema([schema.field(name) for name in kept]).empty_table().to_reader()
        schema = first.schema.remove_metadata()
        batches = (
            batch
            for table in chain([first], tables)
            for batch in table.replace_schema_metadata().to_batches()
        )
        return pa.RecordBatchReader.from_batches(schema, batches)

    async def read_async(
        self, start: int = 0, *, columns: Sequence[str] | None = None
    ) -> AsyncIterator[pa.RecordBatch]:
        """Give the record batches of `read` without holding up the event loop."""
        room = Room(PREFETCH_BYTES)
        try:
            batches = iter(await asyncio.to_thread(self._read, start, columns, room))
            while (batch := await asyncio.to_thread(next, batches, None)) is not None:
                yield batch
        finally:
            # The thread in which we were waiting, if we were cancelled, goes on until it is told.
            room.leave()

    def read_links(self) -> pa.Table:
        """Read all rows by links, in the order of the chunks, waiting for those still to come.

        Raises what chunks and Chunk.read raise.
        """
        return self._joined([chunk.read() for chunk in self.chunks()])

    def read_flight(self) -> pa.Table:
        """Read all rows by tickets, in the order of the chunks, waiting for those still to come.

        Raises what chunks and Chunk.read_flight raise.
        """
        return self._joined([chunk.read_flight() for chunk in self.chunks()])

    def ack_all(self, consumer: str = "default") -> int:
        """Acknowledge every chunk, waiting for those still to come; give how many there were."""
        return len([chunk.ack(consumer) for chunk in self.chunks()])

    def pause(self) -> JobView:
        """Ask that no new partition starts; idempotent.  Raises WrongState."""
        return self._act("POST", "/pause")

    def resume(self) -> JobView:
        """Ask that reading goes on; idempotent.  Raises WrongState."""
        return self._act("POST", "/resume")

    def cancel(self) -> JobView:
        """Cancel in any state: no chunk appears after this returns; idempotent."""
        return self._act("DELETE", "")

    def amend(
        self,
        *,
        ttl_seconds: int | None = None,
        labels: Mapping[str, str] | None = None,
        name: str | None = None,
    ) -> JobView:
        """Change the TTL (from creation on), all labels, or the name; what is None stays.

        Idempotent.  Raises InvalidRequest, and WrongState for the TTL of a job that ends.
        """
        body: dict[str, Any] = {} if ttl_seconds is None else {"ttl_seconds": ttl_seconds}
        body |= {} if labels is None else {"labels": dict(labels)}
        body |= {} if name is None else {"name": name}
        return self._act("PATCH", "", body)

    def _followed(self, start: int, wait_seconds: int) -> Iterator[Chunk | None]:
        """Give the chunks as `chunks` does, and None after each answer, also to a wait in vain."""
        for page in follow(self._readers.http, self.job_id, start, wait_seconds):
            if page is not None:
                self.view = page.job
                for each in page.chunks:
                    yield Chunk(self._readers, self.job_id, each)
            yield None

    def _act(self, method: str, action: str, body: Mapping[str, Any] | None = None) -> JobView:
        path = f"/jobs/{self.job_id}{action}"
        shown = self._readers.http.ask_object(method, path, body=body)
        self.view = JobView.from_json(shown)
        return self.view

    def _joined(self, tables: list[pa.Table]) -> pa.Table:
        manifest = self.view.manifest
        table = (
            pa.concat_tables(tables)
            if tables
            else schema_of(tuple(manifest.schema or ())).empty_table()
        )
        if table.num_rows != manifest.row_count:
            raise ShortRead(
                f"job {self.job_id} promises {manifest.row_count} rows; {table.num_rows} were read"
            )
        return table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.read().__arrow_c_stream__(requested_schema)

    def __repr__(self) -> str:
        return f"Job(job_id={self.job_id!r}, state={self.state!r})"
