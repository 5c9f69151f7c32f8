"""What several processes do to one job at once happens once, and in some order."""

import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from staging.catalog import Catalog, IdempotencyKey
from staging.catalog.tables import events
from staging.core.errors import StaleAttempt, StateConflict
from staging.core.jobs import JobState
from tests.contract.catalog_steps import (
    BUDGET,
    NOW,
    a_draft,
    a_plan,
    a_receipt,
    accepted,
    begin,
    check_order,
    running,
    staged,
)

ENGINES = 6


@pytest.fixture
def catalogs(catalog_url) -> Iterator[list[Catalog]]:
    """As many engines on one database, like as many processes."""
    opened = [Catalog.open(catalog_url) for _ in range(ENGINES)]
    for catalog in opened:
        catalog.check()
    yield opened
    for catalog in opened:
        catalog.close()


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Run the calls in threads that start together; gives answers and errors in their order."""
    barrier = threading.Barrier(len(calls))
    answers: list[Any] = [None] * len(calls)

    def run(place: int) -> None:
        barrier.wait()
        try:
            answers[place] = calls[place]()
        except (StaleAttempt, StateConflict) as refused:
            answers[place] = refused

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


@pytest.mark.parametrize("_", range(5))
def test_one_receipt_published_by_many_is_visible_once(catalogs, _):
    job_id = running(catalogs[0], partitions=1)
    (attempt,) = begin(catalogs[0], job_id)
    receipt = a_receipt(attempt, 5, 6)
    answers = at_once(*[lambda c=c: c.publish_partition(receipt, now=NOW) for c in catalogs])
    assert answers == [2] * ENGINES
    assert check_order(catalogs[0], job_id) == 2


@pytest.mark.parametrize("_", range(5))
def test_two_receipts_of_one_attempt_are_visible_as_one(catalogs, _):
    job_id = running(catalogs[0], partitions=1)
    (attempt,) = begin(catalogs[0], job_id)
    receipts = [a_receipt(attempt, *[7] * (n + 1)) for n in range(ENGINES)]
    answers = at_once(
        *[
            lambda c=c, r=r: c.publish_partition(r, now=NOW)
            for c, r in zip(catalogs, receipts, strict=True)
        ]
    )
    visible = check_order(catalogs[0], job_id)
    assert answers == [visible] * ENGINES


def test_partitions_published_at_once_all_become_visible_without_gaps(catalogs):
    job_id = running(catalogs[0], partitions=30)
    attempts = begin(catalogs[0], job_id)
    shares = [attempts[n::ENGINES] for n in range(ENGINES)]

    def publish(catalog, share):
        for attempt in share:
            catalog.publish_partition(a_receipt(attempt, 3, attempt.partition_id + 1), now=NOW)

    at_once(*[lambda c=c, s=s: publish(c, s) for c, s in zip(catalogs, shares, strict=True)])
    assert check_order(catalogs[0], job_id) == 60
    assert catalogs[0].seal_job(job_id, now=NOW) is True


@pytest.mark.parametrize("_", range(3))
def test_nothing_becomes_visible_after_the_answer_to_a_cancel(catalogs, _):
    job_id = running(catalogs[0], partitions=100)
    attempts = begin(catalogs[0], job_id)
    shares = [attempts[n :: ENGINES - 1] for n in range(ENGINES - 1)]
    is_cancelling = threading.Event()
    seen: list[int] = []

    def publish(catalog, share):
        for place, attempt in enumerate(share):
            if place == 5:
                is_cancelling.wait(timeout=30)
            catalog.publish_partition(a_receipt(attempt, 3), now=NOW)

    def cancel(catalog):
        is_cancelling.set()
        catalog.request_cancel(1, job_id, now=NOW)
        seen.append(len(catalog.chunks(1, job_id, since_index=0, limit=1000)))

    publishers = zip(catalogs[1:], shares, strict=True)
    at_once(lambda: cancel(catalogs[0]), *[lambda c=c, s=s: publish(c, s) for c, s in publishers])
    assert seen == [check_order(catalogs[0], job_id)]


@pytest.mark.parametrize("_", range(5))
def test_inserts_with_one_key_make_one_job(catalogs, _):
    key = IdempotencyKey(str(uuid.uuid4()), "a" * 64)
    answers = at_once(
        *[lambda c=c: c.insert_job(a_draft(), now=NOW, idempotency=key) for c in catalogs]
    )
    assert len({answer.job.job_id for answer in answers}) == 1
    assert [answer.is_replayed for answer in answers].count(False) == 1


@pytest.mark.parametrize("_", range(5))
def test_last_acks_at_once_complete_the_job_once(catalogs, _):
    job_id = staged(catalogs[0], partitions=ENGINES)
    answers = at_once(
        *[
            lambda c=c, n=n: c.acknowledge_chunk(
                1, job_id, str(n), consumer="default", sha256=None, now=NOW
            )
            for n, c in enumerate(catalogs)
        ]
    )
    assert sorted(answer.chunks_acked for answer in answers) == list(range(1, ENGINES + 1))
    assert [answer.state for answer in answers].count(JobState.COMPLETED) == 1
    assert moves_to(catalogs[0], job_id, JobState.COMPLETED) == 1


def test_consumers_that_ack_one_chunk_at_once_complete_the_job_once(catalogs):
    consumers = tuple(f"c{n}" for n in range(ENGINES))
    job_id = staged(catalogs[0], partitions=1, draft=a_draft(consumers=consumers))
    answers = at_once(
        *[
            lambda c=c, name=name: c.acknowledge_chunk(
                1, job_id, "0", consumer=name, sha256=None, now=NOW
            )
            for name, c in zip(consumers, catalogs, strict=True)
        ]
    )
    assert [answer.state for answer in answers].count(JobState.COMPLETED) == 1
    assert catalogs[0].job(1, job_id).progress.chunks_acked == 1


@pytest.mark.parametrize("_", range(5))
def test_acks_and_the_seal_at_once_complete_the_job(catalogs, _):
    job_id = running(catalogs[0], partitions=ENGINES - 1)
    for attempt in begin(catalogs[0], job_id):
        catalogs[0].publish_partition(a_receipt(attempt, 5), now=NOW)
    acks = [
        lambda c=c, n=n: c.acknowledge_chunk(
            1, job_id, str(n), consumer="default", sha256=None, now=NOW
        )
        for n, c in enumerate(catalogs[1:])
    ]
    at_once(lambda: catalogs[0].seal_job(job_id, now=NOW), *acks)
    assert catalogs[0].job(1, job_id).state is JobState.COMPLETED
    assert moves_to(catalogs[0], job_id, JobState.COMPLETED) == 1


@pytest.mark.parametrize("_", range(5))
def test_attempts_begun_at_once_stay_within_the_budget(catalogs, _):
    name = f"shared-{uuid.uuid4()}"
    drafts = [a_draft() for _ in catalogs]
    jobs = [
        running(catalogs[0], 10, replace(d, source=replace(d.source, connection=name)))
        for d in drafts
    ]
    catalogs[0].admit_holders(jobs[0], 2, budget=9)
    terms = [catalogs[0].take_term(job_id, now=NOW) for job_id in jobs]

    def begin_some(catalog, job_id, term):
        return [catalog.begin_attempts(job_id, term, limit=2, budget=9, now=NOW) for _ in range(2)]

    places = zip(catalogs, jobs, terms, strict=True)
    answers = at_once(*[lambda c=c, j=j, t=t: begin_some(c, j, t) for c, j, t in places])
    assert sum(len(begun) for rounds in answers for begun in rounds) == 7


@pytest.mark.parametrize("_", range(5))
def test_holders_admitted_at_once_stay_within_the_budget(catalogs, _):
    name = f"shared-{uuid.uuid4()}"
    drafts = [a_draft() for _ in catalogs]
    jobs = [
        accepted(catalogs[0], replace(d, source=replace(d.source, connection=name))) for d in drafts
    ]
    places = zip(catalogs, jobs, strict=True)
    answers = at_once(*[lambda c=c, j=j: c.admit_holders(j, 2, budget=8) for c, j in places])
    assert answers.count(True) == 3


def test_terms_taken_at_once_differ_and_only_the_last_begins_attempts(catalogs):
    job_id = running(catalogs[0])
    terms = at_once(*[lambda c=c: c.take_term(job_id, now=NOW) for c in catalogs])
    assert sorted(terms) == list(range(1, ENGINES + 1))

    answers = at_once(
        *[
            lambda c=c, t=t: c.begin_attempts(job_id, t, limit=1, budget=BUDGET, now=NOW)
            for c, t in zip(catalogs, terms, strict=True)
        ]
    )
    assert [type(each) is StaleAttempt for each in answers].count(False) == 1


def test_plans_recorded_at_once_are_one_plan(catalogs):
    job_id = accepted(catalogs[0])
    answers = at_once(
        *[
            lambda c=c, n=n: c.record_plan(job_id, a_plan(n + 1), now=NOW)
            for n, c in enumerate(catalogs)
        ]
    )
    assert answers.count(True) == 1
    catalogs[0].start_job(job_id, now=NOW)
    assert len(begin(catalogs[0], job_id)) == answers.index(True) + 1


@pytest.mark.parametrize("_", range(5))
def test_requests_at_once_leave_a_job_in_one_legal_state(catalogs, _):
    job_id = running(catalogs[0])
    actions = ["pause", "resume", "cancel", "pause", "resume", "pause"]
    at_once(
        *[
            lambda c=c, a=a: getattr(c, f"request_{a}")(1, job_id, now=NOW)
            for c, a in zip(catalogs, actions, strict=True)
        ]
    )
    assert catalogs[0].job(1, job_id).state is JobState.CANCELLING
    assert moves_to(catalogs[0], job_id, JobState.CANCELLING) == 1


def moves_to(catalog, job_id, state):
    with catalog._reading() as connection:
        query = sa.select(sa.func.count()).select_from(events).where(events.c.job_id == job_id)
        return connection.execute(query.where(events.c.to_state == state)).scalar_one()
