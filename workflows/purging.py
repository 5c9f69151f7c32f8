"""Delete the published objects of jobs that ended."""

from workflows.clock import now
from workflows.parts import Parts

_PAGE = 1_000


def purge_job(parts: Parts, job_id: str) -> None:
    """Delete every published object of a final job, then mark the chunks deleted.

    Objects go first: a crash between the two only deletes them once more.
    """
    standing = parts.standing(job_id)
    if standing.is_purged or standing.purge_in_seconds is None or standing.purge_in_seconds > 0:
        return
    while chunks := parts.catalog.undeleted_chunks(job_id, limit=_PAGE):
        parts.store.delete([chunk.key for chunk in chunks])
        parts.catalog.mark_deleted(job_id, [chunk.chunk_id for chunk in chunks], now=now())
    parts.catalog.mark_purged(job_id, now=now())
