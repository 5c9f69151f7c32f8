"""What the API tells a real Temporal."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.testing import WorkflowEnvironment

from api.orchestration import TemporalOrchestration, wake
from staging.core.contracts import TASK_QUEUE, WORKFLOW, Signal
from staging.core.errors import OrchestrationUnavailable

JOB = "0198f3a2-7c1e-7d3b-9f40-5a6b7c8d9e0f"


@pytest.fixture
async def environment() -> AsyncIterator[WorkflowEnvironment]:
    binary = Path(sys.executable).with_name("temporal-test-server")
    async with await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=str(binary)
    ) as started:
        yield started


def temporal_of(environment: WorkflowEnvironment) -> TemporalOrchestration:
    config = environment.client.service_client.config
    return TemporalOrchestration(config.target_host, environment.client.namespace)


async def signals_of(environment: WorkflowEnvironment) -> list[str]:
    history = await environment.client.get_workflow_handle(JOB).fetch_history()
    signalled = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED
    return [
        event.workflow_execution_signaled_event_attributes.signal_name
        for event in history.events
        if event.event_type == signalled
    ]


async def test_a_job_has_one_workflow_however_often_it_is_started(environment):
    temporal = temporal_of(environment)

    await temporal.check()
    await temporal.start(JOB)
    first = await environment.client.get_workflow_handle(JOB).describe()
    await temporal.start(JOB)
    second = await environment.client.get_workflow_handle(JOB).describe()

    assert (first.workflow_type, first.task_queue, first.id) == (WORKFLOW, TASK_QUEUE, JOB)
    assert first.run_id == second.run_id


async def test_a_signal_reaches_the_workflow_and_starts_it_where_there_is_none(environment):
    temporal = temporal_of(environment)

    await temporal.signal(JOB, Signal.PAUSE)
    await temporal.signal(JOB, Signal.CANCEL)

    assert await signals_of(environment) == ["pause", "cancel"]


async def test_a_temporal_that_is_down_is_said_and_never_raised_in_the_background():
    temporal = TemporalOrchestration("127.0.0.1:9", "default")

    await wake(temporal, JOB)
    await wake(temporal, JOB, Signal.CANCEL)
    with pytest.raises(OrchestrationUnavailable):
        await temporal.check()
