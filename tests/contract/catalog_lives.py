"""Jobs in a catalog and beside it in a model: what is done to them, and what stays true."""

import os
import uuid
from datetime import timedelta
from typing import ClassVar

import hypothesis.strategies as st
import pytest
import sqlalchemy as sa
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from staging.catalog import Catalog
from staging.catalog.tables import events
from staging.core import ids
from staging.core.contracts import FailureReport
from staging.core.errors import StateConflict
from staging.core.jobs import Amendment, JobDraft, JobOptions, Progress, Retain
from staging.core.source_spec import SourceSpec
from tests.contract.catalog_model import ENDING, MOVES, STAGING, ModelJob
from tests.contract.catalog_steps import NOW, SECOND, a_plan

TTL = timedelta(hours=2)
PAUSES = [SECOND, timedelta(minutes=11), timedelta(hours=3), timedelta(days=8)]
CONSUMERS = st.sampled_from([("a",), ("a", "b")])
PARTITIONS = st.sampled_from([4, 3, 2, 1, 0])
SELDOM = st.sampled_from([False, False, True])
TRIED_MOVES = st.sampled_from(
    ["start", "plan", "replan", "seal", "settle_pause", "finish_cancel"] * 2
    + ["reset_plan", "cancel", "fail"]
)


class Lives(RuleBasedStateMachine):
    """Jobs on one connection, their clients, their workflows, time, and crashes."""

    url: ClassVar[str]
    jobs = Bundle("jobs")

    def __init__(self):
        super().__init__()
        self.catalog = Catalog.open(self.url)
        self.now = NOW
        self.connection = f"shared-{uuid.uuid4()}"
        self.models: list[ModelJob] = []

    def teardown(self):
        self.catalog.close()

    @initialize(target=jobs, consumers=CONSUMERS, partitions=PARTITIONS)
    def create_a_running_job(self, consumers, partitions):
        job = self.create(consumers, Retain.UNTIL_ACKED)
        self.plan(job, partitions)
        self.start(job)
        return job

    @precondition(lambda self: len(self.models) < 2)
    @rule(target=jobs, consumers=CONSUMERS, retain=st.sampled_from(Retain))
    def create_another(self, consumers, retain):
        return self.create(consumers, retain)

    @rule(job=jobs, move=TRIED_MOVES)
    def move(self, job, move):
        """Ask for a move, legal or not; those that end a job's life come seldom."""
        getattr(self, move)(job)

    def create(self, consumers, retain):
        options = JobOptions(
            ttl_seconds=int(TTL.total_seconds()), consumers=consumers, retain=retain
        )
        source = SourceSpec(self.connection, table="t")
        draft = JobDraft(ids.job_id(self.now, os.urandom(10)), 1, None, None, {}, source, options)
        self.catalog.insert_job(draft, now=self.now)
        ends_by_acks = retain is Retain.UNTIL_ACKED
        model = ModelJob(draft.job_id, consumers, ends_by_acks, self.now + TTL, TTL)
        self.models.append(model)
        return model

    @rule(is_now=SELDOM)
    def crash(self, is_now):
        """Lose everything in memory; what was begun goes on as zombies."""
        if not is_now:
            return
        self.catalog.close()
        self.catalog = Catalog.open(self.url)
        for job in self.models:
            job.driver_term = None

    @rule(pause=st.sampled_from([SECOND, SECOND, SECOND, *PAUSES]))
    def let_time_pass(self, pause):
        self.now += pause

    def plan(self, job, partitions=3):
        expected = job.total is None and job.state in STAGING
        planned = self.catalog.record_plan(job.job_id, a_plan(partitions), now=self.now)
        assert planned is expected
        if expected:
            job.total = partitions

    def reset_plan(self, job):
        expected = job.total is not None and not job.chunks and job.state in STAGING
        assert self.catalog.reset_plan(job.job_id, now=self.now) is expected
        if expected:
            job.drop_plan(self.now)

    @rule(job=jobs)
    def pause_or_resume(self, job):
        if job.state in {"pausing", "paused"}:
            self.resume(job)
        else:
            self.pause(job)

    @rule(job=jobs, ttl=st.sampled_from([TTL, TTL * 2, SECOND]))
    def amend(self, job, ttl):
        amendment = Amendment(ttl_seconds=int(ttl.total_seconds()))
        is_new = ttl != job.ttl
        if is_new and job.state in ENDING:
            with pytest.raises(StateConflict):
                self.catalog.amend_job(1, job.job_id, amendment, now=self.now)
            return
        job.change_ttl(ttl)
        answer = self.catalog.amend_job(1, job.job_id, amendment, now=self.now)
        assert (answer.job.state, answer.is_new) == (job.state, is_new)

    def replan(self, job):
        self.reset_plan(job)
        self.plan(job, 2)

    def start(self, job):
        if job.state == "pending":
            job.move("running", self.now)
        assert self.catalog.start_job(job.job_id, now=self.now).state == job.state

    def pause(self, job):
        if job.state in {"pending", "running"}:
            job.stop_clock(self.now)
            self._request(job, self.catalog.request_pause, "pausing")
        else:
            self._request(job, self.catalog.request_pause, None, {"pausing", "paused"})

    def resume(self, job):
        if job.state in {"pausing", "paused"}:
            job.start_clock(self.now)
            self._request(job, self.catalog.request_resume, "running")
        else:
            self._request(job, self.catalog.request_resume, None, {"running"})

    def cancel(self, job):
        target = None if job.state in ENDING else "cancelling"
        self._request(job, self.catalog.request_cancel, target, ENDING)

    def _request(self, job, request, target, answered=frozenset()):
        if target is None and job.state not in answered:
            with pytest.raises(StateConflict):
                request(1, job.job_id, now=self.now)
            return
        if target is not None:
            job.move(target, self.now)
        answer = request(1, job.job_id, now=self.now)
        assert (answer.job.state, answer.is_new) == (job.state, target is not None)

    def settle_pause(self, job):
        expected = job.state == "pausing"
        assert self.catalog.settle_pause(job.job_id, now=self.now) is expected
        if expected:
            job.end_running(self.now)
            job.move("paused", self.now)

    def seal(self, job):
        expected = job.state in {"running", "pausing"} and len(job.done) == job.total
        assert self.catalog.seal_job(job.job_id, now=self.now) is expected
        if expected:
            job.start_clock(self.now)
            job.move("staged", self.now)
            job.complete_if_acked(self.now)

    @rule(job=jobs)
    def expire(self, job):
        expected = job.is_due(self.now)
        assert self.catalog.expire_job(job.job_id, now=self.now) is expected
        if expected:
            job.move("expired", self.now)

    def finish_cancel(self, job):
        expected = job.state == "cancelling"
        assert self.catalog.finish_cancel(job.job_id, now=self.now) is expected
        if expected:
            job.move("cancelled", self.now)

    def fail(self, job):
        report = FailureReport(job.job_id, "source_changed", "gone")
        expected = job.state not in ENDING
        assert self.catalog.fail_job(report, now=self.now) is expected
        if expected:
            job.move("failed", self.now)

    @invariant()
    def jobs_are_as_the_contract_says(self):
        for model in self.models:
            job = self.catalog.job(1, model.job_id)
            assert (job.state, job.expires_at) == (model.state, model.expires_at)
            assert (job.is_planned, job.is_sealed) == (
                model.total is not None,
                "staged" in model.history,
            )
            assert job.progress == Progress(
                partitions_total=model.total,
                partitions_done=len(model.done),
                chunks_published=len(model.chunks),
                chunks_acked=sum(model.is_acked(chunk) for chunk in model.chunks),
                rows=sum(chunk.row_count for chunk in model.chunks),
                bytes=sum(chunk.row_count * 10 for chunk in model.chunks),
            )

    @invariant()
    def chunks_are_visible_once_and_without_gaps(self):
        for model in self.models:
            offset, expected = 0, []
            for index, chunk in enumerate(model.chunks):
                state = "acked" if model.is_acked(chunk) else "available"
                if chunk.is_deleted:
                    state = "deleted"
                expected.append((index, offset, chunk.partition_id, chunk.key, state))
                offset += chunk.row_count
            found = self.catalog.chunks(1, model.job_id, since_index=0, limit=100)
            assert [
                (each.chunk_index, each.row_offset, each.partition_id, each.key, each.state)
                for each in found
            ] == expected

    @invariant()
    def only_legal_moves_have_happened(self):
        for model in self.models:
            with self.catalog._reading() as connection:
                query = sa.select(events.c.from_state, events.c.to_state)
                query = query.where(events.c.job_id == model.job_id).order_by(events.c.revision)
                query = query.where(events.c.from_state.is_distinct_from(events.c.to_state))
                rows = connection.execute(query).all()
            assert [to for _, to in rows] == model.history
            assert [source for source, _ in rows] == [None, *model.history[:-1]]
            assert all(to in MOVES[source] for source, to in rows[1:])
