"""Wait for a job's next revision; waiting costs no thread, and all who wait share one query."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, TypeAlias

from anyio import CapacityLimiter, to_thread

from api.batching import Batching
from api.etags import is_known
from staging.catalog import Catalog
from staging.core.errors import StagingError, UnknownJob

JobKey: TypeAlias = tuple[int, str]
"""The organisation and the job's id."""
_PERIOD_SECONDS = 0.15
_AT_ONCE = 25
"""How many are told before others get a turn: a thousand answers at once take 0.3 s."""
_News: TypeAlias = "asyncio.Future[int | None]"
"""A job's new revision; None if there is no use in waiting for one."""


class Watch:
    """Reads the revisions of all jobs that somebody waits for, once a period."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._reads: Batching[JobKey, int] = Batching()
        self._limiter = CapacityLimiter(1)
        self._waiting: dict[JobKey, dict[_News, int]] = {}
        self._looking: asyncio.Task[None] | None = None
        self._has_ended = False

    def end(self) -> None:
        """Let everyone who waits go within a period, and nobody wait any more."""
        self._has_ended = True

    @property
    def has_ended(self) -> bool:
        """Whether nobody is to wait any more."""
        return self._has_ended

    async def revision(
        self,
        job: JobKey,
        *,
        unlike: str | None,
        seconds: float,
        leaving: Callable[[], Awaitable[None]] | None = None,
    ) -> int:
        """Give a job's revision as soon as the If-None-Match value `unlike` does not name it.

        Gives the one it still has when `seconds` are over, the service ends, or `leaving`, which
        is called once if there is something to wait for, comes back.
        Raises UnknownJob, CatalogUnavailable.
        """
        found = await self._reads.ask(job, self._revisions)
        if not seconds or self._has_ended or not is_known(unlike, found):
            return found
        left = asyncio.ensure_future(leaving()) if leaving else None
        deadline = asyncio.get_running_loop().time() + seconds
        try:
            while is_known(unlike, found):
                changed = await self._changed(job, found, deadline, left)
                if changed is None:
                    break
                found = changed
        finally:
            if left is not None:
                left.cancel()
        return found

    def _revisions(self, asked: Collection[JobKey]) -> Mapping[JobKey, int | StagingError]:
        found = self._catalog.revisions(asked)
        return {job: found.get(job, UnknownJob(f"there is no job {job[1]}")) for job in asked}

    async def _changed(
        self, job: JobKey, known: int, deadline: float, left: "asyncio.Future[None] | None"
    ) -> int | None:
        """Wait for another revision than the known one; None when it is not to be waited for."""
        loop = asyncio.get_running_loop()
        changed: _News = loop.create_future()
        first: set[asyncio.Future[Any]] = {changed} if left is None else {changed, left}
        self._enter(job, changed, known)
        try:
            await asyncio.wait(
                first,
                timeout=max(0.0, deadline - loop.time()),
                return_when=asyncio.FIRST_COMPLETED,
            )
            if left is not None and left.done():
                left.result()
            return changed.result() if changed.done() else None
        finally:
            self._leave(job, changed)

    def _enter(self, job: JobKey, changed: _News, known: int) -> None:
        self._waiting.setdefault(job, {})[changed] = known
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())

    def _leave(self, job: JobKey, changed: _News) -> None:
        del self._waiting[job][changed]
        if not self._waiting[job]:
            del self._waiting[job]

    async def _look(self) -> None:
        """Look once a period for as long as somebody waits."""
        try:
            while self._waiting:
                await asyncio.sleep(_PERIOD_SECONDS)
                await self._look_once()
        finally:
            self._looking = None

    async def _look_once(self) -> None:
        asked, found = list(self._waiting), dict[JobKey, int]()
        try:
            if not self._has_ended:
                found = await to_thread.run_sync(
                    self._catalog.revisions, asked, limiter=self._limiter
                )
        except StagingError as failed:
            for changed in [each for waiting in self._waiting.values() for each in waiting]:
                changed.set_exception(failed)
            return
        told = [
            (changed, found.get(job))
            for job in asked
            for changed, known in self._waiting.get(job, {}).items()
            if job not in found or found[job] > known  # who has just come may know a newer one
        ]
        for count, (changed, revision) in enumerate(told, start=1):
            if not changed.done():
                changed.set_result(revision)
            if count % _AT_ONCE == 0:
                await asyncio.sleep(0)
