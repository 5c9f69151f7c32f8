"""The workflow's moves are made when they are due, once, and are kept as events."""

import itertools
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from staging.catalog.tables import events
from staging.core.contracts import FailureReport
from staging.core.errors import UnknownJob
from staging.core.jobs import FINAL, JobError, JobState
from tests.contract.catalog_steps import (
    DAY,
    GRACE,
    HOUR,
    NOW,
    SECOND,
    a_draft,
    a_receipt,
    accepted,
    ack_all,
    begin,
    job_in,
    publish,
    running,
    staged,
)

S = JobState
LATER = NOW + HOUR


def unchanged(catalog, job, act):
    answer = act()
    assert catalog.job_by_id(job.job_id) == job
    return answer


@pytest.mark.parametrize("state", list(S))
def test_only_a_pending_job_is_started(catalog, state):
    before = job_in(catalog, state)
    after = catalog.start_job(before.job_id, now=LATER)
    if state is S.PENDING:
        assert after == replace(
            before, state=S.RUNNING, started_at=LATER, revision=before.revision + 1
        )
    else:
        assert after == before


def test_a_job_is_sealed_when_every_partition_is_published(catalog):
    job_id = running(catalog, partitions=2)
    publish(catalog, job_id, 5, partitions=1)
    before = catalog.job(1, job_id)
    assert unchanged(catalog, before, lambda: catalog.seal_job(job_id, now=LATER)) is False

    publish(catalog, job_id, 5)
    assert catalog.seal_job(job_id, now=LATER) is True
    sealed = catalog.job(1, job_id)
    assert (sealed.state, sealed.is_sealed, sealed.staged_at) == (S.STAGED, True, LATER)
    assert unchanged(catalog, sealed, lambda: catalog.seal_job(job_id, now=NOW + DAY)) is False


def test_a_job_without_a_plan_is_not_sealed(catalog):
    job_id = accepted(catalog)
    catalog.start_job(job_id, now=NOW)
    assert catalog.seal_job(job_id, now=NOW) is False


def test_an_empty_table_is_sealed_with_its_schema(catalog):
    job = catalog.job(1, staged(catalog, partitions=0))
    assert (job.is_sealed, job.progress.fraction, len(job.schema)) == (True, 1.0, 2)


def test_sealing_a_pausing_job_lets_its_ttl_run_on(catalog):
    job_id = running(catalog, partitions=1, draft=a_draft(ttl_seconds=7200))
    publish(catalog, job_id, 5)
    catalog.request_pause(1, job_id, now=NOW + HOUR)
    assert catalog.seal_job(job_id, now=NOW + 2 * HOUR) is True
    assert catalog.job(1, job_id).expires_at == NOW + 3 * HOUR


@pytest.mark.parametrize("state", [each for each in S if each not in (S.RUNNING, S.PAUSING)])
def test_a_job_in_another_state_is_not_sealed(catalog, state):
    job = job_in(catalog, state)
    assert unchanged(catalog, job, lambda: catalog.seal_job(job.job_id, now=LATER)) is False


@pytest.mark.parametrize("state", list(S))
def test_only_a_pausing_job_becomes_paused(catalog, state):
    job = job_in(catalog, state)
    if state is S.PAUSING:
        assert catalog.settle_pause(job.job_id, now=LATER) is True
        assert catalog.job(1, job.job_id).state is S.PAUSED
    else:
        settled = unchanged(catalog, job, lambda: catalog.settle_pause(job.job_id, now=LATER))
        assert settled is False


@pytest.mark.parametrize("state", list(S))
def test_only_a_cancelling_job_becomes_cancelled(catalog, state):
    job = job_in(catalog, state)
    if state is S.CANCELLING:
        assert catalog.finish_cancel(job.job_id, now=LATER) is True
        after = catalog.job(1, job.job_id)
        assert (after.state, after.finished_at) == (S.CANCELLED, LATER)
    else:
        done = unchanged(catalog, job, lambda: catalog.finish_cancel(job.job_id, now=LATER))
        assert done is False


@pytest.mark.parametrize("state", list(S))
def test_a_job_fails_with_its_reason_unless_it_ends_already(catalog, state):
    job = job_in(catalog, state)
    report = FailureReport(job.job_id, "snapshot_lost", "every holder is gone", partition_id=4)
    if state in FINAL | {S.CANCELLING}:
        failed = unchanged(catalog, job, lambda: catalog.fail_job(report, now=LATER))
        assert failed is False
        return
    assert catalog.fail_job(report, now=LATER) is True
    after = catalog.job(1, job.job_id)
    assert (after.state, after.finished_at) == (S.FAILED, LATER)
    assert after.error == JobError("snapshot_lost", "every holder is gone", 4)


@pytest.mark.parametrize("state", ["pending", "running", "staged"])
def test_a_job_expires_at_the_end_of_its_ttl_and_not_before(catalog, state):
    job = job_in(catalog, S(state))
    early = job.expires_at - timedelta(microseconds=1)
    assert unchanged(catalog, job, lambda: catalog.expire_job(job.job_id, now=early)) is False

    assert catalog.expire_job(job.job_id, now=job.expires_at) is True
    after = catalog.job(1, job.job_id)
    assert (after.state, after.finished_at) == (S.EXPIRED, job.expires_at)


def test_a_paused_job_expires_after_seven_days_and_not_by_its_ttl(catalog):
    job = job_in(catalog, S.PAUSED)
    early = NOW + 7 * DAY - SECOND
    assert unchanged(catalog, job, lambda: catalog.expire_job(job.job_id, now=early)) is False
    assert catalog.expire_job(job.job_id, now=NOW + 7 * DAY) is True


@pytest.mark.parametrize("state", ["pausing", "cancelling", *sorted(FINAL)])
def test_a_job_that_is_pausing_or_ending_does_not_expire(catalog, state):
    job = job_in(catalog, S(state))
    late = NOW + 1000 * DAY
    assert unchanged(catalog, job, lambda: catalog.expire_job(job.job_id, now=late)) is False


def test_moves_of_an_unknown_job_are_refused(catalog):
    unknown = "018f2d6c-5c58-7b0e-9a55-0d6f3f6b7a01"
    calls = [
        lambda: catalog.start_job(unknown, now=NOW),
        lambda: catalog.seal_job(unknown, now=NOW),
        lambda: catalog.expire_job(unknown, now=NOW),
        lambda: catalog.standing(unknown, now=NOW, purge_grace=GRACE),
        lambda: catalog.mark_purged(unknown, now=NOW),
        lambda: catalog.job_by_id(unknown),
    ]
    for call in calls:
        with pytest.raises(UnknownJob):
            call()


def test_every_move_is_an_event_with_the_revision_that_it_made(catalog):
    job_id = running(catalog, partitions=1)
    catalog.request_pause(1, job_id, now=NOW + SECOND)
    catalog.settle_pause(job_id, now=NOW + 2 * SECOND)
    catalog.request_resume(1, job_id, now=NOW + 3 * SECOND)
    publish(catalog, job_id, 5)
    ack_all(catalog, job_id)
    catalog.seal_job(job_id, now=NOW + 4 * SECOND)

    with catalog._reading() as connection:
        query = sa.select(events).where(events.c.job_id == job_id).order_by(events.c.revision)
        rows = connection.execute(query).all()
    states = ["pending", "running", "pausing", "paused", "running", "staged", "completed"]
    expected = list(zip([None, *states], states, [0, 0, 1, 2, 3, 4, 4], strict=False))
    assert [(e.from_state, e.to_state, (e.at - NOW).seconds) for e in rows] == expected
    assert rows[-1].revision == catalog.job(1, job_id).revision
    assert all(a.revision < b.revision for a, b in itertools.pairwise(rows))


def test_a_final_move_ends_the_running_attempts(catalog):
    job_id = running(catalog, partitions=1)
    (attempt,) = begin(catalog, job_id)
    catalog.expire_job(job_id, now=NOW + DAY)
    keys = [chunk.key for chunk in a_receipt(attempt, 5).chunks]
    assert catalog.garbage_keys(keys, now=NOW + DAY, grace=GRACE) == []
    assert catalog.garbage_keys(keys, now=NOW + DAY + GRACE, grace=GRACE) == keys
