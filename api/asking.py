"""Call what may hang, in a thread of its own, for a bounded time."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


class Asker:
    """Runs calls in daemon threads, so many at once; one that hangs delays no shutdown."""

    def __init__(self, slots: int) -> None:
        self._slots = threading.BoundedSemaphore(slots)

    async def ask(self, call: Callable[[], T], seconds: float) -> T:
        """Give the call's result or raise its error; it runs on when the time is over.

        Raises TimeoutError when the time is over, at once when every thread is taken.
        """
        if not self._slots.acquire(blocking=False):
            raise TimeoutError("every thread is taken")
        answer: Future[T] = Future()
        threading.Thread(target=self._run, args=(call, answer), daemon=True).start()
        return await asyncio.wait_for(asyncio.wrap_future(answer), seconds)

    def _run(self, call: Callable[[], T], answer: "Future[T]") -> None:
        try:
            if answer.set_running_or_notify_cancel():
                answer.set_result(call())
        except Exception as error:  # noqa: BLE001 - it is raised where the call was asked for
            answer.set_exception(error)
        finally:
            self._slots.release()
