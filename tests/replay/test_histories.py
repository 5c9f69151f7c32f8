"""Workflows that began with an older version go on with this one."""

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from tests.replay.record import HISTORIES
from workflows.job import StagingJob

NAMES = ("plain", "paused-and-resumed", "cancelled", "failed", "retried", "continued-as-new")


@pytest.mark.parametrize("name", NAMES)
async def test_a_recorded_history_replays(name):
    text = (HISTORIES / f"{name}.json").read_text()
    history = WorkflowHistory.from_json(name, text)
    assert len(history.events) > 10

    await Replayer(workflows=[StagingJob]).replay_workflow(history)
