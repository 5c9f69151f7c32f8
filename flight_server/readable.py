"""Say whether a chunk may still be handed out, or not yet."""

from datetime import datetime

from staging.core.chunks import Chunk, ChunkState
from staging.core.errors import Gone, Unavailable
from staging.core.jobs import ENDING, Job, JobState

_GONE = ENDING - {JobState.COMPLETED}
"""The objects of a completed job stay readable until the grace is over and they are deleted."""


class NotYet(Unavailable):
    """The job is not that far yet; ask again."""

    code = "not_yet"


def check_job(job: Job, now: datetime) -> None:
    """Raise Gone if nothing of the job is handed out any more."""
    if job.state in _GONE:
        reason = JobState.CANCELLED if job.state is JobState.CANCELLING else job.state
        raise Gone(f"job {job.job_id} is {job.state}: its chunks are gone", reason=reason)
    if job.expires_at is not None and job.expires_at <= now:
        raise Gone(f"job {job.job_id} has expired: its chunks are gone", reason=JobState.EXPIRED)


def check_chunk(job: Job, chunk: Chunk, now: datetime) -> None:
    """Raise Gone if the chunk is not handed out any more."""
    check_job(job, now)
    if chunk.state is ChunkState.DELETED:
        raise Gone(
            f"chunk {chunk.chunk_index} of job {job.job_id} is deleted: the job is {job.state}",
            reason=job.state,
        )
