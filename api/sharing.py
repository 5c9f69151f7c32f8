"""Let those who ask for the same thing at once share the answer."""

import asyncio
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from anyio import CapacityLimiter, to_thread

T = TypeVar("T")


class Sharing(Generic[T]):
    """Makes one call a key at a time, in few threads, for however many ask."""

    def __init__(self, threads: int) -> None:
        self._limiter = CapacityLimiter(threads)
        self._calls: dict[Hashable, asyncio.Task[T]] = {}

    async def ask(self, key: Hashable, call: Callable[[], T]) -> T:
        """Give the call's result, or that of one for the same key that is under way."""
        if key not in self._calls:
            self._calls[key] = asyncio.create_task(self._call(key, call))
            self._calls[key].add_done_callback(lambda task: task.cancelled() or task.exception())
        return await asyncio.shield(self._calls[key])

    async def _call(self, key: Hashable, call: Callable[[], T]) -> T:
        try:
            return await to_thread.run_sync(call, limiter=self._limiter)
        finally:
            del self._calls[key]
