"""Decode the next chunk for whoever reads a job in order."""

import queue
import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from flight_server.build import Build
from flight_server.cache import Portion
from flight_server.decoding import Decoding
from flight_server.flights import job_schema
from flight_server.readable import check_readable
from staging.catalog import Catalog
from staging.core.chunks import Chunk
from staging.core.errors import StagingError, UnknownChunk
from staging.core.jobs import Job

_MOST_WAITING = 8
_MOST_REMEMBERED = 1_000

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Read:
    job: Job
    chunk: Chunk
    columns: tuple[str, ...] | None
    build: Build | None


class Prefetch:
    """One thread that makes one chunk warm at a time; what is too much for it is left out."""

    def __init__(self, catalog: Catalog, decoding: Decoding, purge_grace: timedelta) -> None:
        self._catalog = catalog
        self._decoding = decoding
        self._purge_grace = purge_grace
        self._reads: queue.Queue[_Read] = queue.Queue(_MOST_WAITING)
        self._last: OrderedDict[tuple[str, int], None] = OrderedDict()
        self._lock = threading.Lock()

    def start(self) -> None:
        """Begin to work, for as long as the process lives."""
        threading.Thread(target=self._work, name="prefetch", daemon=True).start()

    def follow(
        self, job: Job, chunk: Chunk, columns: tuple[str, ...] | None, build: Build | None
    ) -> None:
        """Note that a chunk is read; its successor comes next if its predecessor came before.

        `build` is what the chunk itself is still read from: the successor waits for its end.
        """
        if not self._is_walk(job.job_id, chunk.chunk_index):
            return
        try:
            self._reads.put_nowait(_Read(job, chunk, columns, build))
        except queue.Full:
            _log.debug("flight.prefetch_left_out", job_id=job.job_id)

    def _is_walk(self, job_id: str, index: int) -> bool:
        with self._lock:
            self._last[job_id, index] = None
            self._last.move_to_end((job_id, index))
            if len(self._last) > _MOST_REMEMBERED:
                self._last.popitem(last=False)
            return index == 0 or (job_id, index - 1) in self._last

    def _work(self) -> None:
        while True:
            self._serve(self._reads.get())

    def _serve(self, read: _Read) -> None:
        try:
            self._warm_next(read)
        except UnknownChunk:
            return
        except StagingError as refused:
            _log.info("flight.prefetch_refused", job_id=read.job.job_id, code=refused.code)
        except Exception:  # noqa: BLE001  # the edge of a thread: the next read is another's
            _log.exception("flight.prefetch_failed", job_id=read.job.job_id)

    def _warm_next(self, read: _Read) -> None:
        if read.build is not None and not read.build.wait_until_whole():
            return
        ref = str(read.chunk.chunk_index + 1)
        job, chunk = self._catalog.job_and_chunk(read.job.org_id, read.job.job_id, ref)
        check_readable(job, chunk, datetime.now(UTC), self._purge_grace)
        portion = Portion(job.job_id, chunk.chunk_id, read.columns)
        asked = self._decoding.ask(portion, chunk, job_schema(job, read.columns))
        if isinstance(asked, Build):
            asked.wait_until_whole()
