"""Answer many questions by one call: those that come while a call is under way are the next's."""

import asyncio
from collections.abc import Callable, Collection, Hashable, Mapping
from typing import Generic, TypeVar

from anyio import CapacityLimiter, to_thread

from staging.core.errors import StagingError

Q = TypeVar("Q", bound=Hashable)
A = TypeVar("A")

_MOST = 64
"""Questions of one call, so that none waits long for the others."""


class Batching(Generic[Q, A]):
    """Makes one call at a time, in one thread; nobody waits for company."""

    def __init__(self) -> None:
        self._limiter = CapacityLimiter(1)
        self._asked: dict[Q, asyncio.Future[A]] = {}
        self._answering: asyncio.Task[None] | None = None

    async def ask(
        self, question: Q, answers: Callable[[Collection[Q]], Mapping[Q, A | StagingError]]
    ) -> A:
        """Give the answer of a call that begins after this one, or raise the error in its place.

        `answers` answers every question, and is the same function whoever asks.
        """
        if question not in self._asked:
            self._asked[question] = asyncio.get_running_loop().create_future()
            self._asked[question].add_done_callback(
                lambda done: done.cancelled() or done.exception()
            )
        if self._answering is None:
            self._answering = asyncio.create_task(self._answer_all(answers))
        return await asyncio.shield(self._asked[question])

    async def _answer_all(
        self, answers: Callable[[Collection[Q]], Mapping[Q, A | StagingError]]
    ) -> None:
        try:
            while self._asked:
                batch = {each: self._asked.pop(each) for each in list(self._asked)[:_MOST]}
                found: Mapping[Q, A | Exception]
                try:
                    found = await to_thread.run_sync(answers, batch.keys(), limiter=self._limiter)
                except Exception as failed:  # noqa: BLE001 - it is raised where it was asked for
                    found = dict.fromkeys(batch, failed)
                for question, waiting in batch.items():
                    answer = found[question]
                    if isinstance(answer, Exception):
                        waiting.set_exception(answer)
                    else:
                        waiting.set_result(answer)
        finally:
            self._answering = None
