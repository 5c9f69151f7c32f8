"""What a workflow does next depends on the catalog's word alone."""

import pytest

from staging.core.contracts import Standing, Step
from staging.core.jobs import FINAL, JobState
from workflows.course import Finished, Wait, next_move

S = JobState


@pytest.mark.parametrize(
    ("standing", "move"),
    [
        (Standing(S.PENDING), Step.PLAN),
        (Standing(S.PENDING, expires_in_seconds=0), Step.EXPIRE),
        (Standing(S.RUNNING, is_planned=True, partitions_total=2), Step.STAGE_BATCH),
        (Standing(S.RUNNING, True, 2, 2), Step.SEAL),
        (Standing(S.RUNNING, True, 0, 0), Step.SEAL),
        (Standing(S.RUNNING, True, 2, 1, expires_in_seconds=0), Step.EXPIRE),
        (Standing(S.PAUSING, True, 2, 1), Step.SETTLE_PAUSE),
        (Standing(S.PAUSING, True, 2, 2), Step.SEAL),
        (Standing(S.PAUSING), Step.SETTLE_PAUSE),
        (Standing(S.PAUSED, True, 2, 1, expires_in_seconds=9), Wait(9)),
        (
            Standing(S.PAUSED, True, 2, 1, expires_in_seconds=9, snapshot_ends_in_seconds=3),
            Wait(3),
        ),
        (
            Standing(S.PAUSED, True, 2, 1, expires_in_seconds=9, snapshot_ends_in_seconds=0),
            Step.RELEASE_SNAPSHOT,
        ),
        (Standing(S.PAUSED, True, 2, 1, expires_in_seconds=0), Step.EXPIRE),
        (Standing(S.STAGED, True, 2, 2, expires_in_seconds=5), Wait(5)),
        (Standing(S.STAGED, True, 2, 2, expires_in_seconds=0), Step.EXPIRE),
        (Standing(S.CANCELLING, True, 2, 1, expires_in_seconds=0), Step.FINISH_CANCEL),
    ],
)
def test_a_living_job_takes_the_step_that_its_state_asks_for(standing, move):
    assert next_move(standing) == move


@pytest.mark.parametrize("state", sorted(FINAL))
def test_a_final_job_waits_for_its_grace_then_purges_then_is_finished(state):
    assert next_move(Standing(state, purge_in_seconds=60)) == Wait(60)
    assert next_move(Standing(state, purge_in_seconds=0)) == Step.PURGE
    assert next_move(Standing(state, is_purged=True)) == Finished()
