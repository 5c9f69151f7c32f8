"""The workflow of one job: ask where it stands, do the next step, until its objects are gone."""

from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from staging.core.contracts import (
    PROGRESS_QUERY,
    WORKFLOW,
    FailureReport,
    Signal,
    Standing,
    Step,
)
from staging.core.jobs import FINAL
from workflows.course import Finished, Wait, next_move
from workflows.policies import POLICIES

_EVENTS_A_RUN = 2_000


@workflow.defn(name=WORKFLOW)
class StagingJob:
    """The catalog is the truth: steps change it, signals only say that it changed."""

    def __init__(self) -> None:
        self._is_woken = False
        self._standing: Standing | None = None

    @workflow.run
    async def run(self, job_id: str) -> str:
        """Drive the job to its end; returns the final state."""
        standing = await self._step(Step.OBSERVE, job_id)
        while not isinstance(move := next_move(standing), Finished):
            if isinstance(move, Wait):
                await self._wait(move)
                standing = await self._step(Step.OBSERVE, job_id)
            else:
                standing = await self._advance(move, job_id)
            if self._is_long():
                workflow.continue_as_new(job_id)
        return standing.state.value

    @workflow.signal(name=Signal.PAUSE)
    def pause(self) -> None:
        """Look again: a pause was asked for."""
        self._is_woken = True

    @workflow.signal(name=Signal.RESUME)
    def resume(self) -> None:
        """Look again: the job goes on."""
        self._is_woken = True

    @workflow.signal(name=Signal.CANCEL)
    def cancel(self) -> None:
        """Look again: the job is to be cancelled."""
        self._is_woken = True

    @workflow.signal(name=Signal.ALL_ACKED)
    def all_acked(self) -> None:
        """Look again: the last chunk was acknowledged."""
        self._is_woken = True

    @workflow.signal(name=Signal.TTL_CHANGED)
    def ttl_changed(self) -> None:
        """Look again: the job ends at another time."""
        self._is_woken = True

    @workflow.query(name=PROGRESS_QUERY)
    def progress(self) -> Standing | None:
        """Where the job stood after the last step."""
        return self._standing

    async def _advance(self, step: Step, job_id: str) -> Standing:
        try:
            return await self._step(step, job_id)
        except ActivityError as failed:
            report = _report(job_id, failed)
            return await self._execute(Step.FAIL, report)

    async def _step(self, step: Step, job_id: str) -> Standing:
        return await self._execute(step, job_id)

    async def _execute(self, step: Step, argument: str | FailureReport) -> Standing:
        policy = POLICIES[step]
        self._standing = await workflow.execute_activity(
            step.value,
            argument,
            result_type=Standing,
            start_to_close_timeout=policy.start_to_close,
            schedule_to_close_timeout=policy.schedule_to_close,
            heartbeat_timeout=policy.heartbeat,
            retry_policy=policy.retry,
        )
        return self._standing

    async def _wait(self, wait: Wait) -> None:
        timeout = None if wait.seconds is None else timedelta(seconds=wait.seconds)
        try:
            await workflow.wait_condition(lambda: self._is_woken, timeout=timeout)
        except TimeoutError:
            return
        self._is_woken = False

    def _is_long(self) -> bool:
        """Tell whether to continue as new; not at the end, where the result is still to be given.

        Signals need no draining: a new run begins by looking at the catalog.
        """
        if self._standing is not None and self._standing.state in FINAL:
            return False
        info = workflow.info()
        return (
            info.is_continue_as_new_suggested() or info.get_current_history_length() > _EVENTS_A_RUN
        )


def _report(job_id: str, failed: ActivityError) -> FailureReport:
    cause = failed.cause
    if not isinstance(cause, ApplicationError):
        return FailureReport(job_id, "internal", "a step of the job did not end in time")
    partition_id = cause.details[0] if cause.details else None
    return FailureReport(job_id, cause.type or "internal", cause.message, partition_id)
