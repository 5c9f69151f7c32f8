"""Wait for a job's next revision; waiting costs no thread."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from anyio import CapacityLimiter, to_thread

from api.etags import is_known
from staging.catalog import Catalog

_PERIOD_SECONDS = 0.15
_THREADS = 4


class Watch:
    """Reads revisions for all who wait; those who wait for one job share each read."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._limiter = CapacityLimiter(_THREADS)
        self._reads: dict[tuple[int, str], asyncio.Task[int]] = {}
        self._has_ended = False

    def end(self) -> None:
        """Let everyone who waits go, and nobody wait any more."""
        self._has_ended = True

    @property
    def has_ended(self) -> bool:
        """Whether nobody is to wait any more."""
        return self._has_ended

    async def revision(
        self,
        job: tuple[int, str],
        *,
        unlike: str | None,
        seconds: float,
        has_left: Callable[[], Awaitable[bool]],
    ) -> int:
        """Give a job's revision as soon as the If-None-Match value `unlike` does not name it.

        Gives the one it still has when `seconds` are over or the caller has left.
        `job` is the organisation and the id.  Raises UnknownJob.
        """
        deadline = asyncio.get_running_loop().time() + seconds
        found = await self._read(job)
        while is_known(unlike, found) and asyncio.get_running_loop().time() < deadline:
            if self._has_ended or await has_left():
                break
            found = await self._next_read(job)
        return found

    async def _next_read(self, job: tuple[int, str]) -> int:
        """Wait a period, then read; callers in between share the read."""
        if job not in self._reads:
            self._reads[job] = asyncio.create_task(self._read_later(job))
            self._reads[job].add_done_callback(lambda task: task.cancelled() or task.exception())
        return await asyncio.shield(self._reads[job])

    async def _read_later(self, job: tuple[int, str]) -> int:
        try:
            await asyncio.sleep(_PERIOD_SECONDS)
            return await self._read(job)
        finally:
            del self._reads[job]

    async def _read(self, job: tuple[int, str]) -> int:
        return await to_thread.run_sync(
            partial(self._catalog.revision, *job), limiter=self._limiter
        )
