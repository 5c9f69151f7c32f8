"""A plan is written once and dropped while nothing is visible; its holders are budgeted."""

import uuid
from dataclasses import replace

import pytest

from staging.core.jobs import JobState
from staging.core.manifest import Snapshot, SnapshotClass
from tests.contract.catalog_steps import (
    COLUMNS,
    FINGERPRINT,
    HOUR,
    NOW,
    SECOND,
    SNAPSHOT,
    a_draft,
    a_plan,
    a_receipt,
    accepted,
    begin,
    job_in,
    publish,
    running,
    staged,
)

S = JobState


def test_a_plan_gives_the_job_its_schema_snapshot_and_partitions(catalog):
    job_id = accepted(catalog)
    before = catalog.job(1, job_id)

    assert catalog.record_plan(job_id, a_plan(4), now=NOW) is True
    assert catalog.job(1, job_id) == replace(
        before,
        progress=replace(before.progress, partitions_total=4),
        is_planned=True,
        schema=COLUMNS,
        schema_fingerprint=FINGERPRINT,
        arrow_schema=b"arrow",
        snapshot=SNAPSHOT,
        revision=before.revision + 1,
    )


def test_a_plan_of_many_partitions_is_kept_in_order(catalog):
    job_id = running(catalog, partitions=20_001)
    assert catalog.job(1, job_id).progress.partitions_total == 20_001
    for attempt in begin(catalog, job_id, limit=100):
        catalog.publish_partition(a_receipt(attempt), now=NOW)
    begun = [attempt.partition_id for attempt in begin(catalog, job_id, limit=3)]
    assert begun == [100, 101, 102]


def test_a_second_plan_changes_nothing(catalog):
    job_id = running(catalog, partitions=2)
    before = catalog.job(1, job_id)
    assert catalog.record_plan(job_id, a_plan(7), now=NOW) is False
    assert catalog.job(1, job_id) == before
    assert len(begin(catalog, job_id)) == 2


@pytest.mark.parametrize("state", ["pending", "pausing", "paused"])
def test_a_job_is_planned_while_it_stages(catalog, state):
    job_id = accepted(catalog)
    if state != "pending":
        catalog.request_pause(1, job_id, now=NOW)
    if state == "paused":
        catalog.settle_pause(job_id, now=NOW)
    assert catalog.record_plan(job_id, a_plan(1), now=NOW) is True


def test_a_job_that_ends_is_not_planned(catalog):
    job_id = accepted(catalog)
    catalog.request_cancel(1, job_id, now=NOW)
    before = catalog.job(1, job_id)
    assert catalog.record_plan(job_id, a_plan(1), now=NOW) is False
    assert catalog.job(1, job_id) == before


def test_a_dropped_plan_leaves_the_job_as_it_was_before_it(catalog):
    job_id = accepted(catalog)
    catalog.start_job(job_id, now=NOW)
    before = catalog.job(1, job_id)
    catalog.record_plan(job_id, a_plan(3), now=NOW)
    first, _, _ = begin(catalog, job_id)
    catalog.publish_partition(a_receipt(first), now=NOW)

    assert catalog.reset_plan(job_id, now=NOW) is True
    after = catalog.job(1, job_id)
    assert replace(after, revision=before.revision) == before
    assert catalog.reset_plan(job_id, now=NOW) is False
    assert catalog.record_plan(job_id, a_plan(2), now=NOW) is True
    assert len(begin(catalog, job_id)) == 2


def test_a_plan_with_a_visible_chunk_is_kept(catalog):
    job_id = running(catalog)
    publish(catalog, job_id, 5, partitions=1)
    before = catalog.job(1, job_id)
    assert catalog.reset_plan(job_id, now=NOW) is False
    assert catalog.job(1, job_id) == before


def test_a_plan_of_no_partitions_can_be_dropped_too(catalog):
    job_id = running(catalog, partitions=0)
    assert catalog.reset_plan(job_id, now=NOW) is True
    assert catalog.job(1, job_id).is_planned is False


def test_exports_are_replaced_without_a_reader_noticing(catalog):
    job_id = running(catalog)
    before = catalog.job(1, job_id)
    assert catalog.record_exports(job_id, ("new", "other"), now=NOW) is True
    assert catalog.job(1, job_id) == replace(
        before, snapshot=replace(SNAPSHOT, exports=("new", "other"))
    )


def test_a_released_snapshot_has_no_exports_and_gets_none(catalog):
    job_id = running(catalog)
    catalog.admit_holders(job_id, 2, budget=8)
    catalog.request_pause(1, job_id, now=NOW)
    catalog.settle_pause(job_id, now=NOW)
    for _ in range(2):
        assert catalog.release_snapshot(job_id, now=NOW + HOUR) is True

    assert catalog.record_exports(job_id, ("late",), now=NOW) is False
    assert catalog.job(1, job_id).snapshot == replace(SNAPSHOT, exports=())
    assert catalog.wants_snapshot(job_id) is False


def test_a_job_that_goes_on_after_all_keeps_its_snapshot(catalog):
    job_id = running(catalog)
    catalog.admit_holders(job_id, 2, budget=8)
    before = catalog.job(1, job_id)
    assert catalog.release_snapshot(job_id, now=NOW + HOUR) is False
    assert catalog.job(1, job_id) == before

    catalog.request_pause(1, job_id, now=NOW)
    catalog.settle_pause(job_id, now=NOW)
    assert catalog.release_snapshot(job_id, now=NOW + HOUR - SECOND) is False
    assert catalog.release_snapshot(job_id, now=NOW + HOUR) is True


WANTED = {S.PENDING, S.RUNNING, S.PAUSING, S.PAUSED}


@pytest.mark.parametrize("state", list(S))
def test_a_snapshot_is_wanted_while_the_job_may_still_read(catalog, state):
    job_id = job_in(catalog, state).job_id
    assert catalog.wants_snapshot(job_id) is (state in WANTED)


def test_a_snapshot_taken_for_a_plan_that_was_never_written_is_not_wanted_in_a_pause(catalog):
    job_id = accepted(catalog)
    catalog.request_pause(1, job_id, now=NOW)
    catalog.settle_pause(job_id, now=NOW)
    assert catalog.wants_snapshot(job_id) is False
    assert catalog.wants_snapshot(str(uuid.uuid4())) is False


def test_a_source_without_holders_has_no_snapshot_to_keep(catalog):
    job_id = accepted(catalog)
    pinned = Snapshot(SnapshotClass.PINNED, "files")
    catalog.record_plan(job_id, a_plan(1, pinned), now=NOW)
    assert catalog.wants_snapshot(job_id) is False
    assert catalog.job(1, job_id).snapshot == pinned


def jobs_on_one_connection(catalog, count):
    name = f"shared-{uuid.uuid4()}"
    drafts = [a_draft() for _ in range(count)]
    return [
        running(catalog, 10, replace(each, source=replace(each.source, connection=name)))
        for each in drafts
    ]


def let_go(catalog, job_id):
    catalog.request_cancel(1, job_id, now=NOW)
    assert catalog.release_snapshot(job_id, now=NOW)


def test_holders_leave_one_connection_of_the_budget_for_reading(catalog):
    first, second, third = jobs_on_one_connection(catalog, 3)
    assert catalog.admit_holders(first, 2, budget=5) is True
    assert catalog.admit_holders(first, 2, budget=5) is True
    assert catalog.admit_holders(second, 2, budget=5) is True
    assert catalog.admit_holders(third, 2, budget=5) is False
    let_go(catalog, first)
    assert catalog.admit_holders(third, 2, budget=5) is True


def test_attempts_and_holders_share_the_budget(catalog):
    first, second = jobs_on_one_connection(catalog, 2)
    catalog.admit_holders(first, 2, budget=5)
    assert len(begin_up_to(catalog, second, 5)) == 3


def test_holders_wait_for_running_attempts_and_no_new_ones_begin_meanwhile(catalog):
    reading, waiting = jobs_on_one_connection(catalog, 2)
    term = catalog.take_term(reading, now=NOW)
    begun = catalog.begin_attempts(reading, term, limit=9, budget=4, now=NOW)

    answers = [catalog.admit_holders(waiting, 2, budget=4)]
    for _, attempt in begun[:2]:
        catalog.publish_partition(a_receipt(attempt, 5), now=NOW)
        assert catalog.begin_attempts(reading, term, limit=9, budget=4, now=NOW) == []
        answers.append(catalog.admit_holders(waiting, 2, budget=4))
    assert answers == [False, False, True]


def test_a_reservation_outlives_a_smaller_budget_but_admits_only_within_it(catalog):
    first, second = jobs_on_one_connection(catalog, 2)
    catalog.admit_holders(first, 2, budget=8)
    catalog.admit_holders(second, 2, budget=8)
    assert catalog.admit_holders(first, 2, budget=3) is False
    let_go(catalog, second)
    assert catalog.admit_holders(first, 2, budget=2) is True


def test_a_job_that_is_read_out_gets_no_holders(catalog):
    job_id = staged(catalog)
    assert catalog.admit_holders(job_id, 2, budget=8) is False


def test_a_pause_before_the_plan_gives_the_reservation_back(catalog):
    first, second = jobs_on_one_connection(catalog, 2)
    catalog.reset_plan(first, now=NOW)
    catalog.admit_holders(first, 2, budget=4)
    catalog.request_pause(1, first, now=NOW)
    catalog.settle_pause(first, now=NOW)
    assert catalog.admit_holders(second, 2, budget=4) is True


def begin_up_to(catalog, job_id, budget):
    term = catalog.take_term(job_id, now=NOW)
    begun = catalog.begin_attempts(job_id, term, limit=100, budget=budget, now=NOW)
    return [attempt for _, attempt in begun]
