"""The activities of a job: each one idempotent, each answers where the job then stands."""

import structlog
from temporalio import activity

from staging.core.contracts import FailureReport, Standing, Step
from workflows.batch import stage_batch
from workflows.clock import now
from workflows.edge import may_fail_the_job, must_succeed
from workflows.heartbeat import beating
from workflows.parts import Parts
from workflows.planning import plan_job
from workflows.purging import purge_job

_log = structlog.get_logger(__name__)


class JobActivities:
    """The steps that StagingJob calls by name."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @activity.defn(name=Step.OBSERVE)
    @may_fail_the_job
    def observe(self, job_id: str) -> Standing:
        """Look where the job stands."""
        return self._parts.standing(job_id)

    @activity.defn(name=Step.PLAN)
    @may_fail_the_job
    def plan(self, job_id: str) -> Standing:
        """Take the snapshot and split the source."""
        with beating():
            plan_job(self._parts, job_id)
        return self._standing(job_id)

    @activity.defn(name=Step.STAGE_BATCH)
    @may_fail_the_job
    def stage_batch(self, job_id: str) -> Standing:
        """Read partitions and publish their chunks."""
        stage_batch(self._parts, job_id)
        return self._standing(job_id)

    @activity.defn(name=Step.SEAL)
    @may_fail_the_job
    def seal(self, job_id: str) -> Standing:
        """Seal the manifest of a job that is read; its snapshot goes."""
        self._parts.catalog.seal_job(job_id, now=now())
        self._parts.release(job_id)
        return self._standing(job_id)

    @activity.defn(name=Step.SETTLE_PAUSE)
    @must_succeed
    def settle_pause(self, job_id: str) -> Standing:
        """Let a pausing job be paused; its snapshot stays for a while."""
        self._parts.catalog.settle_pause(job_id, now=now())
        return self._standing(job_id)

    @activity.defn(name=Step.RELEASE_SNAPSHOT)
    @must_succeed
    def release_snapshot(self, job_id: str) -> Standing:
        """Let the snapshot of a job go that was paused for too long."""
        self._parts.release(job_id)
        return self._standing(job_id)

    @activity.defn(name=Step.EXPIRE)
    @must_succeed
    def expire(self, job_id: str) -> Standing:
        """End a job whose time is over."""
        self._parts.catalog.expire_job(job_id, now=now())
        self._parts.release(job_id)
        return self._standing(job_id)

    @activity.defn(name=Step.FINISH_CANCEL)
    @must_succeed
    def finish_cancel(self, job_id: str) -> Standing:
        """End a job that was cancelled."""
        self._parts.catalog.finish_cancel(job_id, now=now())
        self._parts.release(job_id)
        return self._standing(job_id)

    @activity.defn(name=Step.FAIL)
    @must_succeed
    def fail(self, report: FailureReport) -> Standing:
        """End a job that cannot be staged."""
        self._parts.catalog.fail_job(report, now=now())
        self._parts.release(report.job_id)
        return self._standing(report.job_id)

    @activity.defn(name=Step.PURGE)
    @must_succeed
    def purge(self, job_id: str) -> Standing:
        """Delete the objects of a final job."""
        with beating():
            purge_job(self._parts, job_id)
        return self._standing(job_id)

    def _standing(self, job_id: str) -> Standing:
        standing = self._parts.standing(job_id)
        _log.info(
            "step_done",
            state=standing.state.value,
            partitions_done=standing.partitions_done,
            partitions_total=standing.partitions_total,
        )
        return standing
