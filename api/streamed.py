"""Answers whose body is made while it is sent."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field

from anyio import CapacityLimiter, fail_after, to_thread
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from staging.storage.slots import Slots

_STREAMS = 64
_THREADS = 8
_STALL_SECONDS = 60.0
"""A client that takes nothing for so long is let go."""


@dataclass(frozen=True, slots=True)
class Streams:
    """What all streams of chunks together may take: places, and threads that read for them."""

    slots: Slots = field(default_factory=lambda: Slots(_STREAMS))
    limiter: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(_THREADS))

    async def read(self, parts: Iterator[bytes]) -> AsyncIterator[bytes]:
        """Give what an iterator gives, each part read in a thread."""
        while (
            part := await to_thread.run_sync(next, parts, None, limiter=self.limiter)
        ) is not None:
            yield part


class Streamed(StreamingResponse):
    """Sends parts as they come; `close` is called in the end, whatever becomes of the client.

    A body that fails after its first part cuts the answer off, so the client sees it broken.
    """

    def __init__(
        self,
        parts: AsyncIterator[bytes],
        headers: Mapping[str, str],
        status: int = 200,
        close: Callable[[], object] = lambda: None,
    ) -> None:
        super().__init__(parts, status, headers)
        self._close = close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""

        async def send_in_time(message: Message) -> None:
            with fail_after(_STALL_SECONDS):
                await send(message)

        try:
            await super().__call__(scope, receive, send_in_time)
        finally:
            self._close()
