"""A chunk's bytes through the service: its Parquet file, or its rows as an Arrow stream."""

from contextlib import ExitStack
from dataclasses import dataclass
from typing import NoReturn

from starlette.responses import Response

from api.arrow_stream import arrow_stream
from api.byte_range import asked_span
from api.media_types import ARROW_STREAM, PARQUET, wants_arrow
from api.streamed import Streamed
from api.wiring import Wiring
from staging.core.chunks import Chunk
from staging.core.errors import Gone, ObjectMissing
from staging.core.jobs import Job, JobState
from staging.storage.object_body import Span, verified

_HEADERS = {"Cache-Control": "private", "Vary": "Accept"}


@dataclass(frozen=True, slots=True)
class Asked:
    """The headers that choose the bytes."""

    accept: str
    range: str | None
    if_range: str | None


def data_answer(parts: Wiring, org_id: int, ids: tuple[str, str], asked: Asked) -> Response:
    """Answer with the bytes of a chunk in the form, and the range, that are asked for.

    `ids` are the job's and the chunk's.  Raises UnknownJob, UnknownChunk, Gone, TooBusy,
    RangeNotSatisfiable, ObjectDamaged, StorageUnavailable.
    """
    job, chunk = parts.catalog.job_and_chunk(org_id, *ids)
    parts.handout.check_there(job, chunk, parts.now())
    with ExitStack() as opened:
        opened.callback(parts.streams.slots.take().release)
        try:
            if wants_arrow(asked.accept):
                answer = _arrow(parts, job, chunk, opened)
            else:
                answer = _parquet(parts, chunk, asked, opened)
        except ObjectMissing:
            _raise_gone(parts, job, chunk)
        return answer


def _parquet(parts: Wiring, chunk: Chunk, asked: Asked, opened: ExitStack) -> Streamed:
    size, tag = chunk.byte_count, f'"{chunk.sha256}"'
    is_same = asked.if_range in (None, tag)
    span = asked_span(asked.range, size) if is_same else None
    whole = Span(0, size)
    body = parts.store.open(chunk.key, span or whole, byte_count=size)
    opened.callback(body.close)
    headers = {
        **_HEADERS,
        "Content-Type": PARQUET,
        "Content-Length": str((span or whole).length),
        "Accept-Ranges": "bytes",
        "ETag": tag,
    }
    if span is not None:
        headers["Content-Range"] = f"bytes {span.start}-{span.end - 1}/{size}"
    read = verified(body, chunk.sha256) if span is None else iter(body)
    status = 200 if span is None else 206
    return Streamed(parts.streams.read(read), headers, status, opened.pop_all().close)


def _arrow(parts: Wiring, job: Job, chunk: Chunk, opened: ExitStack) -> Streamed:
    read = arrow_stream(parts.store, chunk, job.arrow_schema or b"")
    headers = {
        **_HEADERS,
        "Content-Type": ARROW_STREAM,
        "Accept-Ranges": "none",
        # Weak: the same rows, not the same bytes (RFC 9110, section 8.8.1).
        "ETag": f'W/"{chunk.sha256}"',
    }
    close = opened.pop_all().close
    return Streamed(parts.streams.read(read), headers, close=close)


def _raise_gone(parts: Wiring, job: Job, chunk: Chunk) -> NoReturn:
    """Say how the data ended: by the job's end since it was looked at, or by the store's loss."""
    now = parts.catalog.job(job.org_id, job.job_id)
    parts.handout.check_there(now, chunk, parts.now())
    detail = f"the store has lost chunk {chunk.chunk_index} of job {job.job_id}; stage it again"
    raise Gone(detail, reason=JobState.FAILED.value)
