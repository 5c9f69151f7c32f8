"""Load over HTTP/1.1: some connections, each with one request under way at any time.

A request is bytes that are made beforehand, and an answer is not read further than its length, so
that asking costs some 20 µs a request: the server is what is measured (see `cost`).
"""

import asyncio
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from urllib.parse import urlsplit

_STATUS = re.compile(rb"HTTP/1\.1 (\d{3})")
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Load:
    """What was answered: how long each answer took, and all of them together."""

    latencies: Sequence[float]
    seconds: float
    cpu_seconds: float

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.latencies) / self.seconds

    def percentile(self, percent: float) -> float:
        """Give the seconds within which so many of the answers came."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def get(url: str) -> bytes:
    """Write down a GET of a URL."""
    parts = urlsplit(url)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return f"GET {target} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode()


def load(url: str, requests: Sequence[bytes], *, connections: int, seconds: float) -> Load:
    """Ask the server at a URL for so long, going round the requests; every answer must be a 200."""
    return asyncio.run(_load(urlsplit(url).netloc, cycle(requests), connections, seconds))


async def _load(host: str, requests: Iterator[bytes], connections: int, seconds: float) -> Load:
    loop, (name, port) = asyncio.get_running_loop(), host.split(":")
    began, spent = time.monotonic(), time.process_time()
    callers = [_Caller(requests, began + seconds) for _ in range(connections)]
    for caller in callers:
        await loop.create_connection(lambda caller=caller: caller, name, int(port))  # type: ignore[misc]
    await asyncio.gather(*(caller.ended for caller in callers))
    took = [each for caller in callers for each in caller.latencies]
    return Load(took, time.monotonic() - began, time.process_time() - spent)


class _Caller(asyncio.Protocol):
    """One connection; asks again as soon as it is answered, until the time is over."""

    def __init__(self, requests: Iterator[bytes], until: float) -> None:
        self.latencies: list[float] = []
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._requests = requests
        self._until = until
        self._answer = bytearray()
        self._length: int | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask the first time."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        """Take a part of an answer."""
        self._answer += data
        if self._length is None:
            self._read_head()
        if self._length is not None and len(self._answer) >= self._length:
            self._take()

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail unless the time is over."""
        if not self.ended.done():
            self.ended.set_exception(exc or ConnectionError("the server closed the connection"))

    def _ask(self) -> None:
        self._asked = time.monotonic()
        self._transport.write(next(self._requests))

    def _read_head(self) -> None:
        end = self._answer.find(_HEAD_END)
        if end < 0:
            return
        head = bytes(self._answer[:end])
        status, length = _STATUS.match(head), _LENGTH.search(head)
        if status is None or status[1] != b"200" or length is None:
            self.ended.set_exception(RuntimeError(f"not the answer to measure: {head!r}"))
            self._transport.close()
            return
        self._length = end + len(_HEAD_END) + int(length[1])

    def _take(self) -> None:
        now = time.monotonic()
        self.latencies.append(now - self._asked)
        self._answer.clear()
        self._length = None
        if now < self._until:
            self._ask()
        else:
            self.ended.set_result(None)
            self._transport.close()
