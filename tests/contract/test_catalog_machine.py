"""Whatever happens to jobs, in whatever order, the catalog keeps the promises of the contract.

A chunk is visible once or never; a cancelled job publishes nothing after its cancel; indexes have
no gaps; nothing expires or is deleted before it is due; no illegal move happens; a budget holds.
"""

import os
import uuid
from datetime import timedelta

import hypothesis.strategies as st
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    Bundle,
    precondition,
    rule,
    run_state_machine_as_test,
)

from staging.core.chunks import Failure, Receipt, StoredChunk, object_key
from staging.core.errors import Gone, StaleAttempt, UnknownChunk
from staging.core.partitions import Attempt
from tests.contract.catalog_lives import PAUSES, SELDOM, Lives
from tests.contract.catalog_model import ENDING, FINAL, ModelChunk, ModelJob
from tests.contract.catalog_steps import FINGERPRINT, GRACE

BUDGET = 2
PUBLISHING = {"running", "pausing"}
GARBAGE_GRACE = timedelta(seconds=600)
PLACES = st.integers(0, 99)
CODES = st.sampled_from(["source_unavailable", "out_of_memory"])
ROWS = st.sampled_from([[5], [2, 3], [1, 1, 1], []])
EXAMPLES = {"sqlite": 120, "postgresql": 40}
SETTINGS = settings(
    stateful_step_count=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    print_blob=True,
)


class CatalogMachine(Lives):
    """And their workers, zombies of those, consumers, and janitors."""

    old_terms = Bundle("old_terms")

    def __init__(self):
        super().__init__()
        self.keys: dict[str, tuple[ModelJob, Attempt]] = {}
        self.begun: list[tuple[ModelJob, Attempt]] = []

    @rule(job=Lives.jobs)
    def advance(self, job):
        """Do what workers, workflow and consumers do when nothing goes wrong.

        Its name makes it the rule that Hypothesis falls back to.
        """
        steps = {
            "pending": lambda: (self.plan(job), self.start(job)),
            "running": lambda: (self.plan(job), self.work(job, 2, 1, [2, 3]), self.seal(job)),
            "pausing": lambda: self.settle_pause(job),
            "paused": lambda: self.resume(job),
            "staged": lambda: self.take_all_chunks(job),
            "cancelling": lambda: self.finish_cancel(job),
        }
        steps.get(job.state, lambda: self.purge_a_page(job, 2))()

    def begin_attempts(self, job, limit):
        if job.driver_term is None:
            self.take_term(job)
        room = BUDGET - sum(len(each.running) for each in self.models)
        if job.running:
            room -= min(sum(each.is_starved() for each in self.models), BUDGET // 2)
        expected = (
            job.waiting(self.now)[: max(0, min(limit, room))] if job.state == "running" else []
        )
        begun = self._begin(job, job.driver_term, limit)
        assert [(p.partition_id, p.failures) for p, _ in begun] == [
            (n, job.failures.get(n, {})) for n in expected
        ]
        fresh = [attempt for _, attempt in begun]
        assert not [each for each in fresh if each in job.ended_at or job.is_running(each)]
        job.running |= {attempt.partition_id: attempt for attempt in fresh}
        self.begun += [(job, attempt) for attempt in fresh]
        for attempt in fresh:  # each has written an object before anything else happens
            self._receipt(job, attempt, [1])

    @rule(target=old_terms, job=Lives.jobs, limit=st.integers(1, 2))
    def lose_a_worker_in_the_middle(self, job, limit):
        self.begin_attempts(job, limit)
        lost = self.take_term(job)
        self.begin_attempts(job, limit)
        return lost

    def take_term(self, job):
        old = job.term
        job.term = job.driver_term = old + 1
        job.end_running(self.now)
        assert self.catalog.take_term(job.job_id, now=self.now) == job.term
        return job, old

    @rule(term=old_terms)
    def begin_attempts_in_an_old_term(self, term):
        with pytest.raises(StaleAttempt):
            self._begin(*term, 1)

    def _begin(self, job, number, limit):
        return self.catalog.begin_attempts(
            job.job_id, number, limit=limit, budget=BUDGET, now=self.now
        )

    @rule(job=Lives.jobs, limit=st.integers(1, 4), count=st.sampled_from([1, 2, 0]), rows=ROWS)
    def work(self, job, limit, count, rows):
        self.begin_attempts(job, limit)
        for attempt in list(job.running.values())[:count]:
            self._publish(job, attempt, rows)

    @precondition(lambda self: self.begun)
    @rule(place=PLACES, rows=ROWS)
    def publish_any_attempt_that_ever_was(self, place, rows):
        self._publish(*self.begun[place % len(self.begun)], rows)

    @precondition(lambda self: self._fenced_out())
    @rule(place=PLACES, rows=ROWS)
    def publish_an_attempt_that_is_fenced_out(self, place, rows):
        zombies = self._fenced_out()
        self._publish(*zombies[place % len(zombies)], rows)

    def _fenced_out(self):
        """List attempts that nothing but the fence keeps from publishing."""
        return [
            (job, attempt)
            for job, attempt in self.begun
            if job.state in PUBLISHING
            and attempt not in job.published
            and not job.is_running(attempt)
        ]

    @precondition(lambda self: any(job.running for job in self.models))
    @rule(job=Lives.jobs, rows=ROWS)
    def cancel_while_attempts_publish(self, job, rows):
        for attempt in list(job.running.values()):
            if job.state not in ENDING:
                self.cancel(job)
            self._publish(job, attempt, rows)

    def _publish(self, job, attempt, rows):
        receipt = self._receipt(job, attempt, rows)
        if attempt in job.published:
            count = self.catalog.publish_partition(receipt, now=self.now)
            assert count == job.published[attempt]
        elif job.is_running(attempt) and job.state in PUBLISHING:
            assert self.catalog.publish_partition(receipt, now=self.now) == len(rows)
            self._show(job, attempt, receipt)
        else:
            with pytest.raises(StaleAttempt):
                self.catalog.publish_partition(receipt, now=self.now)

    def _receipt(self, job, attempt, rows):
        unique = uuid.uuid4().hex
        stored = tuple(
            StoredChunk(object_key(attempt, unique, seq), count, count * 10, f"{seq:064x}")
            for seq, count in enumerate(rows)
        )
        self.keys |= {chunk.key: (job, attempt) for chunk in stored}
        return Receipt(attempt, stored, FINGERPRINT, {}, {})

    def _show(self, job, attempt, receipt):
        del job.running[attempt.partition_id]
        job.ended_at[attempt] = self.now
        job.published[attempt] = job.done[attempt.partition_id] = len(receipt.chunks)
        job.chunks += [
            ModelChunk(attempt.partition_id, chunk.key, chunk.row_count) for chunk in receipt.chunks
        ]

    @precondition(lambda self: self.begun)
    @rule(place=PLACES, code=CODES, delay=st.sampled_from([None, *PAUSES]))
    def fail_any_attempt_that_ever_was(self, place, code, delay):
        job, attempt = self.begun[place % len(self.begun)]
        number = attempt.partition_id
        retry_at = None if delay is None else self.now + delay
        expected = 0
        if job.is_running(attempt):
            del job.running[number]
            job.ended_at[attempt] = self.now
            failures = job.failures.setdefault(number, {})
            expected = failures[code] = failures.get(code, 0) + 1
            job.retry_at |= {number: retry_at or self.now}
        failure = Failure(attempt, code, "no answer", True)
        assert self.catalog.fail_attempt(failure, retry_at=retry_at, now=self.now) == expected

    def take_all_chunks(self, job):
        for index in range(len(job.chunks)):
            for consumer in job.consumers:
                self.ack(job, index, consumer)

    @rule(job=Lives.jobs, index=st.integers(0, 4), consumer=st.sampled_from(["a", "b"]))
    def ack(self, job, index, consumer):
        if consumer not in job.consumers:
            return
        if index >= len(job.chunks):
            with pytest.raises(UnknownChunk):
                self._ack(job, index, consumer)
            return
        chunk = job.chunks[index]
        if consumer not in chunk.acks and (job.state in ENDING or chunk.is_deleted):
            with pytest.raises(Gone):
                self._ack(job, index, consumer)
            return
        is_new = consumer not in chunk.acks
        chunk.acks.setdefault(consumer, self.now)
        if is_new:
            job.complete_if_acked(self.now)
        answer = self._ack(job, index, consumer)
        acked = sum(job.is_acked(each) for each in job.chunks)
        assert (answer.acked_at, answer.chunks_acked, answer.state) == (
            chunk.acks[consumer],
            acked,
            job.state,
        )

    def _ack(self, job, index, consumer):
        return self.catalog.acknowledge_chunk(
            1, job.job_id, str(index), consumer=consumer, sha256=None, now=self.now
        )

    @rule(job=Lives.jobs, page=st.integers(1, 3))
    def purge_a_page(self, job, page):
        left = [chunk for chunk in job.chunks if not chunk.is_deleted]
        expected = left[:page] if job.state in FINAL else []
        found = self.catalog.undeleted_chunks(job.job_id, limit=page)
        assert [chunk.key for chunk in found] == [chunk.key for chunk in expected]
        standing = self.catalog.standing(job.job_id, now=self.now, purge_grace=GRACE)
        if standing.purge_in_seconds == 0:
            grace = GRACE if job.state == "completed" else timedelta(0)
            assert job.moved_at + grace <= self.now
            doomed = [chunk.chunk_id for chunk in found]
            self.catalog.mark_deleted(job.job_id, doomed, now=self.now)
            for chunk in expected:
                chunk.is_deleted = True
            is_purged = self.catalog.mark_purged(job.job_id, now=self.now)
            assert is_purged is (len(left) <= page)
            job.is_purged = is_purged

    @precondition(lambda self: self.keys)
    @rule(is_now=SELDOM)
    def collect_garbage(self, is_now):
        if not is_now:
            return
        kept = {chunk.key for job in self.models for chunk in job.chunks if not chunk.is_deleted}
        expected = [
            key
            for key, (job, attempt) in self.keys.items()
            if key not in kept
            and not job.is_running(attempt)
            and job.ended_at[attempt] + GARBAGE_GRACE <= self.now
        ]
        found = self.catalog.garbage_keys(list(self.keys), now=self.now, grace=GARBAGE_GRACE)
        assert found == expected


def test_no_order_of_events_breaks_a_promise(catalog_url):
    machine = type("Machine", (CatalogMachine,), {"url": catalog_url})
    examples = EXAMPLES[sa.make_url(catalog_url).get_backend_name()]
    factor = int(os.environ.get("CATALOG_MACHINE_FACTOR", "1"))
    run_state_machine_as_test(machine, settings=settings(SETTINGS, max_examples=examples * factor))
