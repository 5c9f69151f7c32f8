"""A job for those who have seen an earlier revision of it: its news, once there are any."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from api.etags import etag, is_known
from api.models.queries import JobQuery
from api.reading import check_page, job_answer
from api.watching import JobKey
from api.wiring import Wiring
from staging.core.errors import BadRequest


async def news_answer(
    parts: Wiring,
    job: JobKey,
    query: JobQuery,
    seen: str,
    leaving: Callable[[], Awaitable[None]],
) -> Response:
    """Answer with the job once its revision is none of those in the If-None-Match value `seen`.

    304 if that is not so within `wait_seconds`.  Those who see the same revision at once share one
    answer: it is the same for all of an organisation.
    Raises UnknownJob, BadPageToken, BadRequest, CatalogUnavailable.
    """
    await _check_page(parts, job, query)
    revision = await parts.watch.revision(
        job, unlike=seen, seconds=query.wait_seconds, leaving=leaving
    )
    if is_known(seen, revision):
        return Response(status_code=304, headers={"ETag": etag(revision)})
    page = query.page_size, query.page_token, query.since_index
    made: Response = await parts.news.ask(
        (job, revision, page), lambda: job_answer(parts, parts.catalog.job(*job), query)
    )
    return Response(made.body, headers=dict(made.headers))


async def _check_page(parts: Wiring, job: JobKey, query: JobQuery) -> None:
    """Refuse before any 304 what a 200 would not be for (RFC 9110, section 13.2.1)."""
    try:
        check_page(parts, job, query)
    except BadRequest:
        # Of a job that is not there, that is what is said.
        await parts.watch.revision(job, unlike=None, seconds=0)
        raise


async def left(request: Request) -> None:
    """Come back once the caller has gone away."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
