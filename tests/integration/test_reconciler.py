"""A job that cannot be woken is in no other's way; one that only takes long is left alone."""

from itertools import pairwise

import pytest
from temporalio.service import RPCError, RPCStatusCode

from tests.contract.catalog_steps import accepted
from workflows.loops import Reconciler


class _Temporal:
    """What the reconciler asks of Temporal; refuses one job."""

    def __init__(self) -> None:
        self.refused = ""
        self.asked: list[str] = []

    async def start_workflow(self, _: str, job_id: str, **__: object) -> None:
        self.asked.append(job_id)
        if job_id == self.refused:
            raise RPCError("its history is full", RPCStatusCode.INVALID_ARGUMENT, b"")


async def test_the_jobs_after_one_that_cannot_be_woken_have_their_turn(parts, monkeypatch):
    jobs = sorted(accepted(parts.catalog) for _ in range(3))
    temporal = _Temporal()
    temporal.refused = jobs[0]
    reconciler = Reconciler(parts, temporal)

    with pytest.raises(RPCError):
        await reconciler.round()
    await reconciler.round()
    assert temporal.asked == jobs

    monkeypatch.setattr("workflows.loops._TRY_AGAIN_SECONDS", 0.0)
    fresh = Reconciler(parts, temporal)
    for _ in range(2):
        with pytest.raises(RPCError):
            await fresh.round()
    assert temporal.asked == [*jobs, *jobs, jobs[0]]


async def test_a_job_that_goes_on_is_woken_ever_more_rarely(parts):
    job_id, clock = accepted(parts.catalog), 1e6
    temporal, woken = _Temporal(), []
    reconciler = Reconciler(parts, temporal, clock=lambda: clock)

    for _ in range(3000):
        await reconciler.round()
        woken += [clock] * (len(temporal.asked) - len(woken))
        clock += 1

    assert temporal.asked == [job_id] * len(woken)
    pauses = [after - before for before, after in pairwise(woken)]
    assert pauses == [30, 60, 120, 240, 480, 600, 600, 600]
