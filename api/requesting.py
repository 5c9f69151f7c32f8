"""Answer what a client asked of a job, and wake the job's workflow."""

from datetime import timedelta

from starlette.responses import JSONResponse

from api.call import Call
from api.models.requests import AckBody, AmendBody
from api.reading import job_answer
from staging.catalog import Requested
from staging.core.chunks import Acknowledgement
from staging.core.contracts import Signal
from staging.core.jobs import JobState

_JUST_NOW = timedelta(seconds=1)


def request_answer(call: Call, asked: Requested, signal: Signal) -> JSONResponse:
    """Answer 202 if the request moved the job, 200 if it stood there already."""
    if asked.is_new:
        call.wake_later(asked.job.job_id, signal)
    return job_answer(call.parts, asked.job, status=202 if asked.is_new else 200)


def amend_answer(call: Call, job_id: str, given: AmendBody) -> JSONResponse:
    """Change the job; its workflow is woken where its end may have moved."""
    asked = call.parts.catalog.amend_job(
        call.org_id, job_id, given.amendment(), now=call.parts.now()
    )
    if asked.is_new and given.ttl_seconds is not None:
        call.wake_later(job_id, Signal.TTL_CHANGED)
    return job_answer(call.parts, asked.job)


def acknowledge(call: Call, job_id: str, chunk_id: str, given: AckBody) -> Acknowledgement:
    """Record an ack; the one that completes the job wakes its workflow."""
    now = call.parts.now()
    ack = call.parts.catalog.acknowledge_chunk(
        call.org_id, job_id, chunk_id, consumer=given.consumer, sha256=given.sha256, now=now
    )
    if ack.state is JobState.COMPLETED and now - ack.acked_at < _JUST_NOW:
        call.wake_later(job_id, Signal.ALL_ACKED)
    return ack
