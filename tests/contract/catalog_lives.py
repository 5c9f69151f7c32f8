"""Jobs in a catalog and beside it in a model: what clients and workflows do to them."""

import os
import uuid
from datetime import timedelta
from typing import ClassVar

import hypothesis.strategies as st
import pytest
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, precondition, rule

from staging.catalog import Catalog
from staging.core import ids
from staging.core.contracts import FailureReport
from staging.core.errors import StateConflict
from staging.core.jobs import JobDraft, JobOptions, Retain
from staging.core.source_spec import SourceSpec
from tests.contract.catalog_model import ENDING, STAGING, ModelJob
from tests.contract.catalog_steps import NOW, SECOND, a_plan

TTL = timedelta(hours=2)
PAUSES = [SECOND, timedelta(minutes=11), timedelta(hours=3), timedelta(days=8)]
CONSUMERS = st.sampled_from([("a",), ("a", "b")])
PARTITIONS = st.sampled_from([3, 2, 1, 4, 0])
SELDOM = st.sampled_from([False] * 5 + [True])
"""What ends or stops a job comes seldom, or no run would see the rest of its life."""


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

    @precondition(lambda self: len(self.models) < 3)
    @rule(target=jobs, consumers=CONSUMERS, retain=st.sampled_from(Retain))
    def create(self, consumers, retain):
        options = JobOptions(
            ttl_seconds=int(TTL.total_seconds()), consumers=consumers, retain=retain
        )
        source = SourceSpec(self.connection, table="t")
        draft = JobDraft(ids.job_id(self.now, os.urandom(10)), 1, None, None, {}, source, options)
        self.catalog.insert_job(draft, now=self.now)
        ends_by_acks = retain is Retain.UNTIL_ACKED
        model = ModelJob(draft.job_id, consumers, ends_by_acks, self.now + TTL)
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

    @rule(pause=st.sampled_from([SECOND, *PAUSES]))
    def let_time_pass(self, pause):
        self.now += pause

    @rule(job=jobs, partitions=PARTITIONS)
    def plan(self, job, partitions):
        expected = job.total is None and job.state in STAGING
        planned = self.catalog.record_plan(job.job_id, a_plan(partitions), now=self.now)
        assert planned is expected
        if expected:
            job.total = partitions

    @rule(job=jobs, is_now=SELDOM)
    def reset_plan(self, job, is_now):
        if not is_now:
            return
        expected = job.total is not None and not job.chunks and job.state in STAGING
        assert self.catalog.reset_plan(job.job_id, now=self.now) is expected
        if expected:
            job.drop_plan(self.now)

    @rule(job=jobs)
    def start(self, job):
        if job.state == "pending":
            job.move("running", self.now)
        assert self.catalog.start_job(job.job_id, now=self.now).state == job.state

    @rule(job=jobs, is_now=st.booleans())
    def pause(self, job, is_now):
        if not is_now:
            return
        if job.state in {"pending", "running"}:
            job.stop_clock(self.now)
            self._request(job, self.catalog.request_pause, "pausing")
        else:
            self._request(job, self.catalog.request_pause, None, {"pausing", "paused"})

    @rule(job=jobs)
    def resume(self, job):
        if job.state in {"pausing", "paused"}:
            job.start_clock(self.now)
            self._request(job, self.catalog.request_resume, "running")
        else:
            self._request(job, self.catalog.request_resume, None, {"running"})

    @rule(job=jobs, is_now=SELDOM)
    def cancel(self, job, is_now):
        if not is_now:
            return
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

    @rule(job=jobs)
    def settle_pause(self, job):
        expected = job.state == "pausing"
        assert self.catalog.settle_pause(job.job_id, now=self.now) is expected
        if expected:
            job.end_running(self.now)
            job.move("paused", self.now)

    @rule(job=jobs)
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

    @rule(job=jobs)
    def finish_cancel(self, job):
        expected = job.state == "cancelling"
        assert self.catalog.finish_cancel(job.job_id, now=self.now) is expected
        if expected:
            job.move("cancelled", self.now)

    @rule(job=jobs, is_now=SELDOM)
    def fail(self, job, is_now):
        if not is_now:
            return
        report = FailureReport(job.job_id, "source_changed", "gone")
        expected = job.state not in ENDING
        assert self.catalog.fail_job(report, now=self.now) is expected
        if expected:
            job.move("failed", self.now)
