"""The catalog tells each deadline of a job, and whose workflow has missed one."""

from datetime import timedelta

import pytest

from staging.core.contracts import Standing
from staging.core.jobs import JobState
from staging.core.manifest import Snapshot, SnapshotClass
from tests.contract.catalog_steps import (
    DAY,
    GRACE,
    HOUR,
    NOW,
    SECOND,
    a_draft,
    a_plan,
    accepted,
    job_in,
    running,
)

S = JobState
LATER = NOW + HOUR
PLANNED = {"is_planned": True, "partitions_total": 3, "partitions_done": 2}
READ_OUT = PLANNED | {"partitions_done": 3}
STANDINGS = {
    S.PENDING: {"expires_in_seconds": 82800.0},
    S.RUNNING: PLANNED | {"expires_in_seconds": 82800.0},
    S.PAUSING: PLANNED,
    S.PAUSED: PLANNED | {"expires_in_seconds": 7 * 86400.0 - 3600, "snapshot_ends_in_seconds": 0.0},
    S.STAGED: READ_OUT | {"expires_in_seconds": 82800.0},
    S.CANCELLING: PLANNED,
    S.COMPLETED: READ_OUT | {"purge_in_seconds": 0.0},
    S.FAILED: PLANNED | {"purge_in_seconds": 0.0},
    S.CANCELLED: PLANNED | {"purge_in_seconds": 0.0},
    S.EXPIRED: PLANNED | {"purge_in_seconds": 30 * 86400.0 - 3600},
}


@pytest.mark.parametrize("state", list(S))
def test_the_standing_tells_the_deadlines_of_the_state(catalog, state):
    job_id = job_in(catalog, state).job_id
    standing = catalog.standing(job_id, now=LATER, purge_grace=GRACE)
    assert standing == Standing(state=state, **STANDINGS[state])


def test_a_completed_job_keeps_its_objects_for_the_grace(catalog):
    job_id = job_in(catalog, S.COMPLETED).job_id
    standing = catalog.standing(job_id, now=NOW + 20 * SECOND, purge_grace=GRACE)
    assert standing.purge_in_seconds == 40.0


def test_a_purged_job_has_no_deadline(catalog):
    job_id = accepted(catalog)
    catalog.request_cancel(1, job_id, now=NOW)
    catalog.finish_cancel(job_id, now=NOW)
    catalog.mark_purged(job_id, now=NOW)
    standing = catalog.standing(job_id, now=NOW, purge_grace=GRACE)
    assert standing == Standing(state=S.CANCELLED, is_purged=True)


def test_a_paused_jobs_snapshot_ends_at_its_greatest_age_unless_it_is_let_go(catalog):
    job_id = running(catalog, draft=a_draft(max_snapshot_age_seconds=600))
    catalog.request_pause(1, job_id, now=NOW)
    catalog.settle_pause(job_id, now=NOW + 10 * SECOND)

    def ends_in():
        standing = catalog.standing(job_id, now=NOW + 100 * SECOND, purge_grace=GRACE)
        return standing.snapshot_ends_in_seconds

    assert ends_in() == 510.0
    catalog.release_snapshot(job_id, now=NOW + 610 * SECOND)
    assert ends_in() is None


def test_a_snapshot_without_holders_has_no_end(catalog):
    job_id = accepted(catalog)
    catalog.record_plan(job_id, a_plan(1, Snapshot(SnapshotClass.PINNED, "files")), now=NOW)
    catalog.request_pause(1, job_id, now=NOW)
    catalog.settle_pause(job_id, now=NOW)
    standing = catalog.standing(job_id, now=NOW, purge_grace=GRACE)
    assert standing.snapshot_ends_in_seconds is None


QUIET = timedelta(seconds=30)
DUE = {
    S.PENDING: timedelta(0),
    S.RUNNING: timedelta(0),
    S.PAUSING: timedelta(0),
    S.CANCELLING: timedelta(0),
    S.PAUSED: HOUR,
    S.STAGED: DAY,
    S.COMPLETED: GRACE,
    S.FAILED: timedelta(0),
    S.CANCELLED: timedelta(0),
    S.EXPIRED: 30 * DAY,
}


def is_unsettled(catalog, job_id, now):
    return job_id in catalog.unsettled_jobs(now=now, quiet=QUIET, purge_grace=GRACE)


@pytest.mark.parametrize("state", list(S))
def test_a_job_is_unsettled_once_its_workflow_is_overdue(catalog, state):
    job_id = job_in(catalog, state).job_id
    due = NOW + DUE[state] + QUIET
    assert is_unsettled(catalog, job_id, due - timedelta(microseconds=1)) is False
    assert is_unsettled(catalog, job_id, due) is True


def test_a_paused_job_without_a_snapshot_is_unsettled_after_seven_days(catalog):
    job_id = job_in(catalog, S.PAUSED).job_id
    catalog.release_snapshot(job_id, now=NOW + HOUR)
    due = NOW + 7 * DAY + QUIET
    assert is_unsettled(catalog, job_id, due - SECOND) is False
    assert is_unsettled(catalog, job_id, due) is True


def test_a_purged_job_is_settled_for_ever(catalog):
    job_id = accepted(catalog)
    catalog.request_cancel(1, job_id, now=NOW)
    catalog.finish_cancel(job_id, now=NOW)
    catalog.mark_purged(job_id, now=NOW)
    assert is_unsettled(catalog, job_id, NOW + 1000 * DAY) is False


def test_unsettled_jobs_are_listed_in_order_and_at_once(catalog):
    jobs = sorted(accepted(catalog) for _ in range(3))
    listed = catalog.unsettled_jobs(now=NOW + DAY, quiet=QUIET, purge_grace=GRACE)
    assert [job_id for job_id in listed if job_id in jobs] == jobs
