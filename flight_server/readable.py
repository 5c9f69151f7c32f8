"""Say whether a chunk may still be handed out, or not yet."""

from datetime import datetime, timedelta

from staging.core.chunks import Chunk
from staging.core.errors import Gone, Unavailable
from staging.core.jobs import Job
from staging.core.retention import end_met


class NotYet(Unavailable):
    """The job is not that far yet; ask again."""

    code = "not_yet"


def check_readable(job: Job, chunk: Chunk | None, now: datetime, purge_grace: timedelta) -> None:
    """Raise Gone if the chunk, or the whole job, is not handed out any more."""
    end = end_met(job, chunk, now, purge_grace)
    if end is None:
        return
    what = "its chunks are" if chunk is None else f"chunk {chunk.chunk_index} is"
    raise Gone(f"job {job.job_id} is {end}: {what} gone", reason=end)
