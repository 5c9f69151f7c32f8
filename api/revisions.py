"""Read revisions of jobs for many at once: one query for all who ask while one is under way."""

import asyncio
from collections.abc import Collection, Mapping

from anyio import CapacityLimiter, to_thread

from staging.catalog import Catalog
from staging.core.errors import StagingError, UnknownJob

JobKey = tuple[int, str]
"""The organisation and the job's id."""


class Revisions:
    """Reads in one thread; waiting for an answer costs none."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._limiter = CapacityLimiter(1)
        self._asked: dict[JobKey, asyncio.Future[int]] = {}
        self._reading: asyncio.Task[None] | None = None

    async def of(self, job: JobKey) -> int:
        """Give a job's revision by a read that begins after this call.

        Raises UnknownJob, CatalogUnavailable.
        """
        if job not in self._asked:
            self._asked[job] = asyncio.get_running_loop().create_future()
            self._asked[job].add_done_callback(lambda found: found.cancelled() or found.exception())
        if self._reading is None:
            self._reading = asyncio.create_task(self._read_asked())
        return await asyncio.shield(self._asked[job])

    async def of_all(self, jobs: Collection[JobKey]) -> Mapping[JobKey, int]:
        """Give the revisions of those that there are; raises CatalogUnavailable."""
        return await to_thread.run_sync(self._catalog.revisions, jobs, limiter=self._limiter)

    async def _read_asked(self) -> None:
        """Read until nobody asks any more; those who ask meanwhile are the next query's."""
        try:
            while self._asked:
                asked, self._asked = self._asked, {}
                await self._answer(asked)
        finally:
            self._reading = None

    async def _answer(self, asked: Mapping[JobKey, asyncio.Future[int]]) -> None:
        try:
            found = await self.of_all(asked.keys())
        except StagingError as failed:
            for answer in asked.values():
                answer.set_exception(failed)
            return
        for job, answer in asked.items():
            if job in found:
                answer.set_result(found[job])
            else:
                answer.set_exception(UnknownJob(f"there is no job {job[1]}"))
