"""Follow a job: its chunks as they appear, checked against the manifest at the end."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from staging_client.errors import JobFailed, ShortRead
from staging_client.transport import Transport, json_object
from staging_client.views import ChunkView, JobView

WAIT_SECONDS = 20
PAGE_SIZE = 100
LOST = frozenset({"failed", "cancelling", "cancelled", "expired"})
"""States of a job whose chunks are not handed out any more."""


@dataclass(frozen=True, slots=True)
class Page:
    """A job at one revision, with some of its chunks; `is_last` if nothing more is there now."""

    job: JobView
    chunks: tuple[ChunkView, ...]
    is_last: bool
    etag: str | None


def ask_page(
    http: Transport,
    job_id: str,
    *,
    since_index: int | None = None,
    unlike: str | None = None,
    wait_seconds: int = 0,
) -> Page | None:
    """Ask for a job and its chunks from an index on, or for the job and at most one chunk.

    None if the job is still as `unlike`, an earlier page's etag, says after the wait.
    """
    page_size = 1 if since_index is None else PAGE_SIZE
    query: dict[str, Any] = {"page_size": page_size, "since_index": since_index}
    if wait_seconds:
        query["wait_seconds"] = wait_seconds
    answer = http.ask(
        "GET",
        f"/jobs/{job_id}",
        query=query,
        headers={"If-None-Match": unlike} if unlike else None,
    )
    if answer.status_code == 304:
        return None
    shown = json_object(answer)
    return Page(
        JobView.from_json(shown),
        tuple(ChunkView.from_json(each) for each in shown["chunks"]),
        shown["next_page_token"] is None,
        answer.headers.get("etag"),
    )


def check_alive(job: JobView) -> None:
    """Raise JobFailed if the job's chunks are not handed out any more."""
    if job.state not in LOST:
        return
    if job.error is not None:
        raise JobFailed(
            f"job {job.job_id} {job.state}: {job.error.detail}",
            state=job.state,
            code=job.error.code,
            partition_id=job.error.partition_id,
        )
    raise JobFailed(f"job {job.job_id} is {job.state}", state=job.state, code=job.state)


def follow(
    http: Transport, job_id: str, start: int, wait_seconds: int = WAIT_SECONDS
) -> Iterator[Page | None]:
    """Give pages until the job is sealed and all its chunks were given, none left out.

    None is given each time that nothing has changed for `wait_seconds`.
    Raises JobFailed, ShortRead.
    """
    index, offset, unlike = start, None, None
    while True:
        page = ask_page(
            http,
            job_id,
            since_index=index,
            unlike=unlike,
            wait_seconds=wait_seconds,
        )
        if page is None:
            yield None
            continue
        check_alive(page.job)
        offset = _check_order(page.chunks, index, 0 if start == 0 and offset is None else offset)
        index += len(page.chunks)
        yield page
        # A page that is empty although more is said to be there: the rest is lost.
        if page.job.manifest.is_sealed if page.is_last else not page.chunks:
            _check_whole(page.job, index, offset if start == 0 else None)
            return
        # More is there already: ask at once.  Else wait for a change.
        unlike = page.etag if page.is_last else None


def _check_order(chunks: tuple[ChunkView, ...], index: int, offset: int | None) -> int | None:
    for place, chunk in enumerate(chunks):
        if chunk.chunk_index != index + place or offset not in (None, chunk.row_offset):
            raise ShortRead(
                f"chunk {index + place} is missing: the next one is {chunk.chunk_index},"
                f" at row {chunk.row_offset}"
            )
        offset = chunk.row_offset + chunk.row_count
    return offset


def _check_whole(job: JobView, chunk_count: int, row_count: int | None) -> None:
    manifest = job.manifest
    rows = manifest.row_count if row_count is None else row_count
    if (chunk_count, rows) != (manifest.chunk_count, manifest.row_count):
        raise ShortRead(
            f"job {job.job_id} promises {manifest.chunk_count} chunks and {manifest.row_count}"
            f" rows; there are {chunk_count} and {rows}"
        )
