"""Pause, resume and cancel do in each state what the contract says, and the TTL clock follows."""

import pytest

from staging.catalog import Requested
from staging.core.contracts import FailureReport
from staging.core.errors import StaleAttempt, StateConflict, UnknownJob
from staging.core.jobs import JobState
from tests.contract.catalog_steps import (
    DAY,
    HOUR,
    NOW,
    a_draft,
    a_receipt,
    accepted,
    begin,
    job_in,
    running,
)

REFUSED = "409"
LATER = NOW + HOUR
S = JobState
TABLE = {
    # state: (after pause, after resume, after cancel)
    S.PENDING: (S.PAUSING, REFUSED, S.CANCELLING),
    S.RUNNING: (S.PAUSING, S.RUNNING, S.CANCELLING),
    S.PAUSING: (S.PAUSING, S.RUNNING, S.CANCELLING),
    S.PAUSED: (S.PAUSED, S.RUNNING, S.CANCELLING),
    S.STAGED: (REFUSED, REFUSED, S.CANCELLING),
    S.CANCELLING: (REFUSED, REFUSED, S.CANCELLING),
    S.COMPLETED: (REFUSED, REFUSED, S.COMPLETED),
    S.FAILED: (REFUSED, REFUSED, S.FAILED),
    S.CANCELLED: (REFUSED, REFUSED, S.CANCELLED),
    S.EXPIRED: (REFUSED, REFUSED, S.EXPIRED),
}
NOT_NEW = {("pause", S.PAUSING), ("pause", S.PAUSED), ("resume", S.RUNNING)}
ALLOWED = {
    S.PENDING: ("pause", "cancel"),
    S.STAGED: ("cancel", "ack"),
    S.CANCELLING: ("cancel",),
    S.COMPLETED: ("cancel",),
    S.FAILED: ("cancel",),
    S.CANCELLED: ("cancel",),
    S.EXPIRED: ("cancel",),
}


@pytest.mark.parametrize(("number", "action"), list(enumerate(["pause", "resume", "cancel"])))
@pytest.mark.parametrize("state", list(S))
def test_a_request_moves_the_job_as_the_contract_says(catalog, state, number, action):
    before = job_in(catalog, state)
    request = getattr(catalog, f"request_{action}")
    target = TABLE[state][number]

    if target is REFUSED:
        with pytest.raises(StateConflict) as refused:
            request(1, before.job_id, now=LATER)
        assert (refused.value.current_state, refused.value.allowed) == (state, ALLOWED[state])
        assert catalog.job(1, before.job_id) == before
        return
    answer = request(1, before.job_id, now=LATER)
    is_new = target is not state and (action, state) not in NOT_NEW
    assert (answer.job.state, answer.is_new) == (target, is_new)
    assert answer.job.revision == before.revision + is_new
    assert request(1, before.job_id, now=LATER) == Requested(answer.job, is_new=False)


@pytest.mark.parametrize("action", ["pause", "resume", "cancel"])
def test_another_organisation_can_ask_for_nothing(catalog, action):
    before = job_in(catalog, S.RUNNING)
    with pytest.raises(UnknownJob):
        getattr(catalog, f"request_{action}")(2, before.job_id, now=NOW)
    assert catalog.job(1, before.job_id) == before


def test_the_ttl_clock_stands_still_while_a_job_is_pausing_or_paused(catalog):
    job_id = accepted(catalog, a_draft(ttl_seconds=7200))

    pausing = catalog.request_pause(1, job_id, now=NOW + HOUR / 2).job
    catalog.settle_pause(job_id, now=NOW + HOUR)
    paused = catalog.job(1, job_id)
    resumed = catalog.request_resume(1, job_id, now=NOW + DAY).job

    assert (pausing.expires_at, paused.expires_at) == (None, None)
    assert resumed.expires_at == NOW + DAY + 1.5 * HOUR


def test_a_clock_that_was_over_before_the_pause_is_over_after_it(catalog):
    job_id = accepted(catalog, a_draft(ttl_seconds=1))
    catalog.request_pause(1, job_id, now=LATER)
    assert catalog.request_resume(1, job_id, now=NOW + DAY).job.expires_at == NOW + DAY


def test_a_job_paused_before_its_start_starts_when_it_is_resumed(catalog):
    job_id = accepted(catalog)
    catalog.request_pause(1, job_id, now=NOW)
    assert catalog.request_resume(1, job_id, now=LATER).job.started_at == LATER


def test_a_resumed_job_keeps_its_first_start(catalog):
    job_id = running(catalog)
    catalog.request_pause(1, job_id, now=NOW)
    assert catalog.request_resume(1, job_id, now=LATER).job.started_at == NOW


def test_a_paused_job_begins_nothing_and_goes_on_with_what_is_missing(catalog):
    job_id = running(catalog, partitions=3)
    begin(catalog, job_id, limit=2)
    catalog.request_pause(1, job_id, now=NOW)
    term = catalog.take_term(job_id, now=NOW)
    assert catalog.begin_attempts(job_id, term, limit=9, budget=9, now=NOW) == []
    catalog.request_resume(1, job_id, now=NOW)
    catalog.publish_partition(a_receipt(*begin(catalog, job_id, limit=1), 5), now=NOW)

    begun = catalog.begin_attempts(
        job_id, catalog.take_term(job_id, now=NOW), limit=9, budget=9, now=NOW
    )
    assert [partition.partition_id for partition, _ in begun] == [1, 2]


def test_an_attempt_may_end_and_publish_while_the_job_is_pausing(catalog):
    job_id = running(catalog)
    (attempt,) = begin(catalog, job_id, limit=1)
    catalog.request_pause(1, job_id, now=NOW)
    assert catalog.publish_partition(a_receipt(attempt, 5), now=NOW) == 1


@pytest.mark.parametrize("state", [S.PAUSED, S.CANCELLING, S.CANCELLED, S.FAILED, S.EXPIRED])
def test_nothing_is_published_once_a_job_is_paused_or_ends(catalog, state):
    job_id = running(catalog)
    (attempt,) = begin(catalog, job_id, limit=1)
    _move(catalog, job_id, state)

    with pytest.raises(StaleAttempt):
        catalog.publish_partition(a_receipt(attempt, 5), now=NOW)
    assert catalog.chunks(1, job_id, since_index=0, limit=9) == []


def _move(catalog, job_id, state):
    if state is S.PAUSED:
        catalog.request_pause(1, job_id, now=NOW)
        catalog.settle_pause(job_id, now=NOW)
    if state in (S.CANCELLING, S.CANCELLED):
        catalog.request_cancel(1, job_id, now=NOW)
    if state is S.CANCELLED:
        catalog.finish_cancel(job_id, now=NOW)
    if state is S.FAILED:
        catalog.fail_job(FailureReport(job_id, "source_changed", "gone"), now=NOW)
    if state is S.EXPIRED:
        catalog.expire_job(job_id, now=NOW + 2 * DAY)
    assert catalog.job_by_id(job_id).state is state
