"""Attempts are begun within budgets, behind fences and terms."""

import uuid
from dataclasses import replace

import pytest

from staging.core.errors import StaleAttempt, UnknownJob
from staging.core.jobs import JobState
from staging.core.partitions import Attempt, Partition
from tests.contract.catalog_steps import (
    NOW,
    SECOND,
    a_draft,
    a_failure,
    a_plan,
    a_receipt,
    begin,
    job_in,
    running,
)


def on_connection(name):
    draft = a_draft()
    return replace(draft, source=replace(draft.source, connection=name))


def begin_within(catalog, job_id, budget, limit=100, now=NOW):
    term = catalog.take_term(job_id, now=now)
    return catalog.begin_attempts(job_id, term, limit=limit, budget=budget, now=now)


def test_attempts_begin_at_the_next_partitions_in_order(catalog):
    job_id = running(catalog, partitions=4)
    term = catalog.take_term(job_id, now=NOW)
    rounds = [
        catalog.begin_attempts(job_id, term, limit=limit, budget=9, now=NOW) for limit in (1, 2, 9)
    ]
    assert rounds == [
        [
            (
                Partition(job_id, n, {"from": n * 10, "to": n * 10 + 10}),
                Attempt(1, job_id, n, fence=1),
            )
            for n in ids
        ]
        for ids in ([0], [1, 2], [3])
    ]


def test_done_partitions_are_not_begun_again(catalog):
    job_id = running(catalog, partitions=3)
    for attempt in begin(catalog, job_id, limit=2):
        catalog.publish_partition(a_receipt(attempt, 5), now=NOW)
    assert [attempt.partition_id for attempt in begin(catalog, job_id)] == [2]


@pytest.mark.parametrize("state", [state for state in JobState if state is not JobState.RUNNING])
def test_only_a_running_job_begins_attempts(catalog, state):
    job_id = job_in(catalog, state).job_id
    assert begin_within(catalog, job_id, budget=9) == []


def test_a_later_term_ends_the_attempts_of_an_earlier_one(catalog):
    job_id = running(catalog, partitions=2)
    old_term = catalog.take_term(job_id, now=NOW)
    old = catalog.begin_attempts(job_id, old_term, limit=9, budget=9, now=NOW)
    new_term = catalog.take_term(job_id, now=NOW)

    assert new_term == old_term + 1
    with pytest.raises(StaleAttempt):
        catalog.begin_attempts(job_id, old_term, limit=9, budget=9, now=NOW)
    new = catalog.begin_attempts(job_id, new_term, limit=9, budget=9, now=NOW)
    assert [partition for partition, _ in new] == [partition for partition, _ in old]
    assert all(late.fence > early.fence for (_, early), (_, late) in zip(old, new, strict=True))


def test_the_jobs_of_one_connection_share_its_budget(catalog):
    name = f"shared-{uuid.uuid4()}"
    first, second = (running(catalog, 10, on_connection(name)) for _ in range(2))
    elsewhere = running(catalog, 10)

    assert len(begin_within(catalog, first, budget=5, limit=3)) == 3
    assert len(begin_within(catalog, second, budget=5)) == 2
    assert begin_within(catalog, second, budget=2) == []
    assert len(begin_within(catalog, elsewhere, budget=5)) == 5


def test_a_job_that_reads_leaves_a_place_to_each_that_waits_to(catalog):
    name = f"shared-{uuid.uuid4()}"
    long, short, shorter = (running(catalog, 20, on_connection(name)) for _ in range(3))
    term = catalog.take_term(long, now=NOW)
    begun = begin_of(catalog, long, term, budget=4)
    assert len(begun) == 4

    for _, attempt in begun[:2]:
        _publish(catalog, attempt)
        assert begin_of(catalog, long, term, budget=4) == []
    for waiting in (short, shorter):
        assert len(begin_within(catalog, waiting, budget=4, limit=1)) == 1
    _publish(catalog, begun[2][1])
    assert len(begin_of(catalog, long, term, budget=4)) == 1


def test_many_jobs_that_only_wait_leave_half_of_the_budget_to_one_that_reads(catalog):
    name = f"shared-{uuid.uuid4()}"
    reading, *_ = (running(catalog, 20, on_connection(name)) for _ in range(9))
    term = catalog.take_term(reading, now=NOW)

    rounds = [len(begin_of(catalog, reading, term, budget=6, limit=1)) for _ in range(5)]

    assert rounds == [1, 1, 1, 0, 0]


def begin_of(catalog, job_id, term, budget, limit=100):
    return catalog.begin_attempts(job_id, term, limit=limit, budget=budget, now=NOW)


def _publish(catalog, attempt):
    catalog.publish_partition(a_receipt(attempt, 5), now=NOW)


def _fail(catalog, attempt):
    catalog.fail_attempt(a_failure(attempt), retry_at=None, now=NOW)


def _cancel(catalog, attempt):
    catalog.request_cancel(1, attempt.job_id, now=NOW)
    catalog.finish_cancel(attempt.job_id, now=NOW)


def _settle(catalog, attempt):
    catalog.request_pause(1, attempt.job_id, now=NOW)
    catalog.settle_pause(attempt.job_id, now=NOW)


@pytest.mark.parametrize("end", [_publish, _fail, _cancel, _settle])
def test_an_ended_attempt_gives_its_place_in_the_budget_back(catalog, end):
    name = f"shared-{uuid.uuid4()}"
    first, second = (running(catalog, 10, on_connection(name)) for _ in range(2))
    ((_, attempt),) = begin_within(catalog, first, budget=1)
    assert begin_within(catalog, second, budget=1) == []

    end(catalog, attempt)
    assert len(begin_within(catalog, second, budget=1)) == 1


def test_a_failure_is_counted_and_its_partition_waits_until_the_retry_is_due(catalog):
    job_id = running(catalog, partitions=2)
    first, _ = begin(catalog, job_id)
    retry_at = NOW + 10 * SECOND
    assert catalog.fail_attempt(a_failure(first), retry_at=retry_at, now=NOW) == 1

    assert [each.partition_id for each in begin(catalog, job_id)] == [1]
    again = begin_within(catalog, job_id, budget=9, now=retry_at)
    assert [(partition.partition_id, partition.failures) for partition, _ in again] == [
        (0, {"source_unavailable": 1}), (1, {})
    ]  # fmt: skip


def test_failures_are_counted_by_their_code_and_anew_in_a_new_plan(catalog):
    job_id = running(catalog, partitions=1)

    def fail(code):
        (attempt,) = begin(catalog, job_id)
        failure = replace(a_failure(attempt), code=code)
        return catalog.fail_attempt(failure, retry_at=None, now=NOW)

    assert [fail(code) for code in ("one", "other", "one")] == [1, 1, 2]
    catalog.reset_plan(job_id, now=NOW)
    catalog.record_plan(job_id, a_plan(1), now=NOW)
    assert fail("one") == 1


def test_a_stale_attempt_cannot_fail_its_partition(catalog):
    job_id = running(catalog, partitions=1)
    (stale,) = begin(catalog, job_id)
    (current,) = begin(catalog, job_id)

    failure = a_failure(stale)
    assert catalog.fail_attempt(failure, retry_at=NOW + SECOND, now=NOW) == 0
    assert catalog.publish_partition(a_receipt(current, 5), now=NOW) == 1
    published = a_failure(current)
    assert catalog.fail_attempt(published, retry_at=None, now=NOW) == 0
    assert catalog.job(1, job_id).progress.partitions_done == 1


def test_failing_twice_counts_once(catalog):
    job_id = running(catalog, partitions=1)
    (attempt,) = begin(catalog, job_id)
    failure = a_failure(attempt)
    counted = [catalog.fail_attempt(failure, retry_at=None, now=NOW) for _ in range(2)]
    assert counted == [1, 0]


def test_the_partitions_that_a_node_has_read_are_counted(catalog):
    job_id = running(catalog, partitions=5)
    first, second, third, failed, _ = begin(catalog, job_id)
    for attempt, node_id in ((first, "a"), (second, "b"), (third, "a")):
        catalog.publish_partition(a_receipt(attempt, 5, node_id=node_id), now=NOW)
    failure = replace(a_failure(failed), node_id="b")
    catalog.fail_attempt(failure, retry_at=None, now=NOW)

    assert catalog.partitions_by_node(1, job_id) == {"a": 2, "b": 1}
    assert catalog.partitions_by_node(1, running(catalog)) == {}
    with pytest.raises(UnknownJob):
        catalog.partitions_by_node(2, job_id)


def test_attempts_of_an_unknown_job_are_refused(catalog):
    job_id = str(uuid.uuid4())
    attempt = Attempt(1, job_id, 0, 1)
    calls = [
        lambda: catalog.take_term(job_id, now=NOW),
        lambda: catalog.begin_attempts(job_id, 1, limit=1, budget=1, now=NOW),
        lambda: catalog.publish_partition(a_receipt(attempt, 5), now=NOW),
        lambda: catalog.fail_attempt(a_failure(attempt), retry_at=None, now=NOW),
    ]
    for call in calls:
        with pytest.raises(UnknownJob):
            call()
