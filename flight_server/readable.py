"""Say whether a chunk may still be handed out, or not yet."""

from datetime import datetime, timedelta

from staging.core.chunks import Chunk
from staging.core.errors import Gone, StagingError, Unavailable
from staging.core.jobs import ENDING, Job, JobState
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


def missing(job: Job, what: str) -> StagingError:
    """Give the refusal of what a job does not have: NotYet, or Gone once it cannot come."""
    if job.state not in ENDING:
        return NotYet(f"{what} is not there yet: the job is {job.state}")
    end = JobState.CANCELLED if job.state is JobState.CANCELLING else job.state
    return Gone(f"{what} does not come any more: the job is {end}", reason=end)
