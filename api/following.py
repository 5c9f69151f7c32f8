"""Follow a job: its moves, its chunks, its progress and its end, as they come."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from fastapi.sse import KEEPALIVE_COMMENT
from starlette.responses import Response

from api.etags import etag
from api.event_text import EVENT_STREAM, Seen, event_text
from api.streamed import Streamed
from api.wiring import Wiring
from staging.catalog import Move
from staging.core.jobs import ENDING, FINAL, Job, JobState, Progress
from staging.core.wire import instant, progress_json

HEARTBEAT_SECONDS = 10.0
_PAGE = 100
_PAUSE_SECONDS = 0.5
"""A reader is told at most so often, however fast the job goes: its cost is bounded."""
_LATE = ENDING | {JobState.STAGED}
"""No chunk appears after a move to one of these, so its move is told after the chunks."""
_HEADERS = {
    "Content-Type": EVENT_STREAM,
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
}


@dataclass(frozen=True, slots=True)
class Page:
    """Some news of a job; `is_whole` if no more is there now."""

    job: Job
    moves: tuple[Move, ...]
    chunks: list[dict[str, Any]]
    is_whole: bool


async def events_answer(parts: Wiring, job: tuple[int, str], seen: Seen) -> Response:
    """Answer with the events after those that were seen; 204 after the last (EventSource stops).

    `job` is the organisation and the id.  Raises UnknownJob.
    """
    follower = Follower(parts, job, seen)
    first = await follower.page()
    if seen.has_ended:
        return Response(status_code=204)
    return Streamed(follower.events(first), _HEADERS)


class Follower:
    """One reader of a job's events."""

    def __init__(self, parts: Wiring, job: tuple[int, str], seen: Seen) -> None:
        self._parts = parts
        self._job = job
        self._seen = seen
        self._progress: Progress | None = None

    async def page(self) -> Page:
        """Read what comes next; those who have seen the same share the read.

        Raises UnknownJob.
        """
        asked = (self._job, self._seen)
        found: Page = await self._parts.news.ask(asked, lambda: _page(self._parts, *asked))
        return found

    async def events(self, page: Page) -> AsyncIterator[bytes]:
        """Give the events from a page on, until the job's end or the service's."""
        while True:
            for event in self._told(page):
                yield event
            if self._seen.has_ended:
                return
            if page.is_whole:
                await asyncio.sleep(_PAUSE_SECONDS)
                async for heartbeat in self._heartbeats(page.job.revision):
                    yield heartbeat
            if self._parts.watch.has_ended:
                return
            page = await self.page()

    def _told(self, page: Page) -> Iterator[bytes]:
        """Give a page's events; what was told is seen, and each connection is told the progress."""
        for move in page.moves:
            if move.state not in _LATE:
                yield self._state(move)
        for chunk in page.chunks:
            self._seen = replace(self._seen, chunk_count=chunk["chunk_index"] + 1)
            yield event_text("chunk", chunk, self._seen)
        if not page.is_whole:
            return
        for move in page.moves:
            if move.state in _LATE:
                yield self._state(move)
        if page.job.progress != self._progress:
            self._progress = page.job.progress
            yield event_text("progress", progress_json(page.job.progress), self._seen)
        if page.job.state in FINAL:
            self._seen = replace(self._seen, has_ended=True)
            error = None if page.job.error is None else asdict(page.job.error)
            yield event_text("end", {"state": page.job.state, "error": error}, self._seen)

    def _state(self, move: Move) -> bytes:
        self._seen = replace(self._seen, revision=move.revision)
        return event_text("state", {"state": move.state, "at": instant(move.at)}, self._seen)

    async def _heartbeats(self, revision: int) -> AsyncIterator[bytes]:
        """Give a comment now and then, until the job has another revision or the service stops."""
        while not self._parts.watch.has_ended:
            found = await self._parts.watch.revision(
                self._job, unlike=etag(revision), seconds=HEARTBEAT_SECONDS
            )
            if found != revision:
                return
            yield KEEPALIVE_COMMENT


def _page(parts: Wiring, job: tuple[int, str], seen: Seen) -> Page:
    news = parts.catalog.job_news(
        *job, since_revision=seen.revision, since_index=seen.chunk_count, limit=_PAGE
    )
    given = seen.chunk_count + len(news.chunks)
    return Page(
        news.job,
        news.moves,
        parts.handout.page(news.job, news.chunks, parts.now()),
        is_whole=given >= news.job.progress.chunks_published and len(news.moves) < _PAGE,
    )
