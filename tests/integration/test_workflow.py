"""The workflow against Temporal's own test server, which skips time; its steps are scripted."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from staging.core.contracts import FailureReport, Signal, Standing, Step
from staging.core.jobs import JobState
from workflows.job import StagingJob

QUEUE = "scripted"
DAY = 86_400


class Script:
    """A job in memory: each step changes its standing and is noted."""

    def __init__(self, standing: Standing) -> None:
        self.standing = standing
        self.steps: list[Step] = []
        self.report: FailureReport | None = None
        self.effects: dict[Step, Callable[[], None]] = {}

    def become(self, **changes: object) -> None:
        self.standing = replace(self.standing, **changes)

    def take(self, step: Step) -> Standing:
        self.steps.append(step)
        if step in self.effects:
            self.effects[step]()
        return self.standing

    def activities(self) -> list[Callable[..., Standing]]:
        def scripted(step: Step) -> Callable[..., Standing]:
            @activity.defn(name=step.value)
            async def run(job_id: str) -> Standing:
                return self.take(step)

            return run

        @activity.defn(name=Step.FAIL.value)
        async def fail(report: FailureReport) -> Standing:
            self.report = report
            return self.take(Step.FAIL)

        return [scripted(step) for step in Step if step is not Step.FAIL] + [fail]


@pytest.fixture
async def environment() -> AsyncIterator[WorkflowEnvironment]:

    binary = Path(sys.executable).with_name("temporal-test-server")
    async with await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=str(binary)
    ) as started:
        yield started


def a_worker(client: Client, script: Script) -> Worker:
    return Worker(client, task_queue=QUEUE, workflows=[StagingJob], activities=script.activities())


def a_whole_job() -> Script:
    script = Script(Standing(JobState.PENDING, expires_in_seconds=DAY))
    script.effects = {
        Step.PLAN: lambda: script.become(
            state=JobState.RUNNING, is_planned=True, partitions_total=3
        ),
        Step.STAGE_BATCH: lambda: script.become(partitions_done=3),
        Step.SEAL: lambda: script.become(state=JobState.STAGED, expires_in_seconds=DAY * 30),
        Step.EXPIRE: lambda: script.become(
            state=JobState.EXPIRED, expires_in_seconds=None, purge_in_seconds=0
        ),
        Step.PURGE: lambda: script.become(is_purged=True),
    }
    return script


async def test_a_job_is_planned_staged_sealed_and_expires_thirty_days_later(environment):
    script = a_whole_job()
    looks = 0

    def look() -> None:
        nonlocal looks
        looks += 1
        if looks > 1:
            script.become(expires_in_seconds=0)

    script.effects[Step.OBSERVE] = look
    async with a_worker(environment.client, script):
        state = await environment.client.execute_workflow(
            StagingJob.run, "job", id="job", task_queue=QUEUE
        )

    assert state == "expired"
    assert script.steps == [
        Step.OBSERVE,
        Step.PLAN,
        Step.STAGE_BATCH,
        Step.SEAL,
        Step.OBSERVE,
        Step.EXPIRE,
        Step.PURGE,
    ]


async def test_a_signal_wakes_a_paused_job_before_its_time(environment):
    script = Script(
        Standing(JobState.PAUSED, True, 3, 1, expires_in_seconds=7 * DAY, is_purged=False)
    )
    script.effects = {
        Step.FINISH_CANCEL: lambda: script.become(
            state=JobState.CANCELLED, expires_in_seconds=None, purge_in_seconds=0
        ),
        Step.PURGE: lambda: script.become(is_purged=True),
    }
    async with a_worker(environment.client, script):
        started = await environment.client.start_workflow(
            StagingJob.run, "job", id="paused", task_queue=QUEUE
        )
        script_is_observed = await started.query(StagingJob.progress)
        script.become(state=JobState.CANCELLING)
        await started.signal(Signal.CANCEL)
        state = await started.result()

    assert state == "cancelled"
    assert script_is_observed is None or script_is_observed.state is JobState.PAUSED
    assert script.steps[-2:] == [Step.FINISH_CANCEL, Step.PURGE]
    assert Step.EXPIRE not in script.steps


async def test_a_changed_ttl_wakes_a_staged_job_long_before_its_old_end(environment):
    script = Script(Standing(JobState.STAGED, True, 3, 3, expires_in_seconds=30 * DAY))
    script.effects = {
        Step.EXPIRE: lambda: script.become(
            state=JobState.EXPIRED, expires_in_seconds=None, purge_in_seconds=0
        ),
        Step.PURGE: lambda: script.become(is_purged=True),
    }
    async with a_worker(environment.client, script):
        started = await environment.client.start_workflow(
            StagingJob.run, "job", id="shortened", task_queue=QUEUE
        )
        while script.steps != [Step.OBSERVE]:
            await asyncio.sleep(0.05)
        script.become(expires_in_seconds=0)
        await started.signal(Signal.TTL_CHANGED)
        state = await started.result()
        events = (await started.fetch_history()).events

    # The server's clock runs on after the end, so the history's own times are compared.
    took = events[-1].event_time.ToDatetime() - events[0].event_time.ToDatetime()
    assert state == "expired"
    assert script.steps == [Step.OBSERVE, Step.OBSERVE, Step.EXPIRE, Step.PURGE]
    assert took < timedelta(days=1)


async def test_a_step_that_cannot_be_mended_fails_the_job_with_its_code_and_partition(environment):
    script = a_whole_job()

    def refuse() -> None:
        raise ApplicationError("no such table", 7, type="source_changed", non_retryable=True)

    script.effects[Step.STAGE_BATCH] = refuse
    script.effects[Step.FAIL] = lambda: script.become(
        state=JobState.FAILED, expires_in_seconds=None, purge_in_seconds=0
    )
    async with a_worker(environment.client, script):
        state = await environment.client.execute_workflow(
            StagingJob.run, "job", id="failing", task_queue=QUEUE
        )

    assert state == "failed"
    assert script.report == FailureReport("job", "source_changed", "no such table", 7)


async def test_a_long_job_continues_as_new_and_loses_no_step(environment):
    script = a_whole_job()
    batches = 1_000
    script.effects[Step.PLAN] = lambda: script.become(
        state=JobState.RUNNING, is_planned=True, partitions_total=batches
    )
    script.effects[Step.STAGE_BATCH] = lambda: script.become(
        partitions_done=script.standing.partitions_done + 1
    )
    script.effects[Step.SEAL] = lambda: script.become(
        state=JobState.COMPLETED, expires_in_seconds=None, purge_in_seconds=0
    )
    async with a_worker(environment.client, script):
        started = await environment.client.start_workflow(
            StagingJob.run, "job", id="long", task_queue=QUEUE
        )
        assert await started.result() == "completed"
        last = await started.describe()
        history = await environment.client.get_workflow_handle(
            "long", run_id=last.run_id
        ).fetch_history()

    assert script.steps.count(Step.STAGE_BATCH) == batches
    assert last.run_id != started.first_execution_run_id
    assert len(history.events) < 5_000
