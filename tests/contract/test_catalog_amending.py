"""A job's TTL, labels and name change while it lives, once, and on record."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from staging.catalog import Requested
from staging.catalog.tables import events
from staging.core.errors import StateConflict, UnknownJob
from staging.core.jobs import ENDING, Amendment, JobState
from tests.contract.catalog_steps import DAY, GRACE, HOUR, NOW, SECOND, a_draft, accepted, job_in

LATER = NOW + HOUR
LIVING = [state for state in JobState if state not in ENDING]
S = JobState


def ttl(seconds: float | timedelta) -> Amendment:
    whole = seconds.total_seconds() if isinstance(seconds, timedelta) else seconds
    return Amendment(ttl_seconds=int(whole))


@pytest.mark.parametrize("state", LIVING)
@pytest.mark.parametrize("lifetime", [2 * DAY, 2 * HOUR, SECOND])
def test_a_ttl_counts_from_creation_however_it_changes(catalog, state, lifetime):
    before = job_in(catalog, state)

    answer = catalog.amend_job(1, before.job_id, ttl(lifetime), now=LATER)

    job = answer.job
    is_stopped = state in (S.PAUSING, S.PAUSED)
    assert answer.is_new
    assert (job.state, job.revision) == (state, before.revision + 1)
    assert job.options.ttl_seconds == lifetime.total_seconds()
    assert job.expires_at == (None if is_stopped else NOW + lifetime)
    assert catalog.amend_job(1, job.job_id, ttl(lifetime), now=LATER) == Requested(
        job, is_new=False
    )


def test_a_stopped_clock_runs_on_with_the_new_ttl(catalog):
    job_id = accepted(catalog, a_draft(ttl_seconds=7200))
    catalog.request_pause(1, job_id, now=NOW + HOUR)

    catalog.amend_job(1, job_id, ttl(5 * HOUR), now=NOW + 2 * HOUR)
    resumed = catalog.request_resume(1, job_id, now=NOW + DAY).job
    catalog.request_pause(1, job_id, now=NOW + DAY)
    catalog.amend_job(1, job_id, ttl(SECOND), now=NOW + DAY)

    assert resumed.expires_at == NOW + DAY + 4 * HOUR
    assert catalog.request_resume(1, job_id, now=NOW + 2 * DAY).job.expires_at == NOW + 2 * DAY


def test_a_shortened_job_is_due_and_an_extended_one_is_not(catalog):
    short, long = job_in(catalog, S.STAGED), job_in(catalog, S.STAGED)
    catalog.amend_job(1, short.job_id, ttl(HOUR / 2), now=LATER)
    catalog.amend_job(1, long.job_id, ttl(3 * DAY), now=LATER)

    assert catalog.standing(short.job_id, now=LATER, purge_grace=GRACE).expires_in_seconds == 0
    assert catalog.expire_job(short.job_id, now=LATER) is True
    assert catalog.expire_job(long.job_id, now=NOW + 2 * DAY) is False
    unsettled = catalog.unsettled_jobs(now=NOW + 2 * DAY, quiet=SECOND, purge_grace=GRACE)
    assert long.job_id not in unsettled


@pytest.mark.parametrize("state", sorted(ENDING))
def test_the_ttl_of_a_job_that_ends_stays(catalog, state):
    before = job_in(catalog, state)
    amendment = Amendment(ttl_seconds=77, labels={"a": "b"}, name="other", is_renamed=True)

    with pytest.raises(StateConflict) as refused:
        catalog.amend_job(1, before.job_id, amendment, now=LATER)

    assert (refused.value.current_state, refused.value.allowed) == (state, ("cancel",))
    assert catalog.job(1, before.job_id) == before


@pytest.mark.parametrize("state", list(S))
def test_labels_and_name_change_in_every_state(catalog, state):
    before = job_in(catalog, state)
    label = ("run", before.job_id)
    amendment = Amendment(labels=dict([label]), name=None, is_renamed=True)

    job = catalog.amend_job(1, before.job_id, amendment, now=LATER).job

    assert (job.labels, job.name, job.revision) == (dict([label]), None, before.revision + 1)
    assert (job.state, job.expires_at, job.options) == (
        state,
        before.expires_at,
        before.options,
    )
    assert [each.job_id for each in catalog.list_jobs(1, label=label, limit=9)] == [job.job_id]


def test_what_is_not_named_stays(catalog):
    before = job_in(catalog, S.RUNNING)

    assert catalog.amend_job(1, before.job_id, Amendment(), now=LATER) == Requested(before, False)
    renamed = catalog.amend_job(1, before.job_id, Amendment(name="x", is_renamed=True), now=LATER)
    assert (renamed.job.name, renamed.job.labels) == ("x", before.labels)


def test_each_change_is_an_event_that_moves_nothing(catalog):
    job = job_in(catalog, S.STAGED)
    catalog.amend_job(1, job.job_id, ttl(DAY * 2), now=LATER)
    catalog.amend_job(1, job.job_id, ttl(DAY * 2), now=LATER)

    with catalog._reading() as connection:
        found = connection.execute(
            sa.select(events).where(events.c.job_id == job.job_id, events.c.at == LATER)
        ).all()
    assert [tuple(each) for each in found] == [
        (job.job_id, job.revision + 1, LATER, S.STAGED, S.STAGED)
    ]


def test_another_organisation_changes_nothing(catalog):
    before = job_in(catalog, S.RUNNING)
    with pytest.raises(UnknownJob):
        catalog.amend_job(2, before.job_id, ttl(DAY * 2), now=NOW)
    assert catalog.job(1, before.job_id) == before
