"""Stage a batch of partitions: start attempts on Ray, publish each as it ends."""

import time
from collections.abc import Mapping

import structlog
from temporalio import activity

from cluster.dispatch import Dispatch
from cluster.extract import ExtractRequest
from cluster.task import Outcome
from staging.core.chunks import Failure
from staging.core.contracts import Standing
from staging.core.errors import OrchestrationUnavailable, OutOfMemory, SnapshotLost, StaleAttempt
from staging.core.jobs import JobState
from staging.core.manifest import SnapshotClass
from staging.core.partitions import Attempt, Partition
from staging.sources.connections import Connection
from staging.storage.parquet import parquet_options
from staging.tracing import carried
from workflows.clock import now
from workflows.outcomes import settle
from workflows.parts import Parts
from workflows.width import width

_BATCH_SECONDS = 600.0
"""How long partitions are begun before another job may have the worker's activity slot."""
_BEGUN_AT_ONCE = 500
"""Handing so many to Ray takes a second: heartbeats and outcomes do not wait for longer."""
_POLL_SECONDS = 0.5
_IDLE_SECONDS = 0.1
_TRY_SECONDS = 0.5
"""How often a batch tries to begin when others have all sessions; each try is a write."""
_LOOK_SECONDS = 0.1
"""How late a change of the job's state may be seen while attempts run; none begins meanwhile."""
_BEAT_SECONDS = 1.0
"""A heartbeat waits for the worker's event loop, a quarter of the time of small partitions."""
_PAUSE_SECONDS = 1.0
"""How long running partitions may go on after a pause before they are stopped at a batch."""
_HOLDERS_SECONDS = 5.0
_TASK_BYTES = 512 * 1024 * 1024
"""Memory that a task is given at first: somewhat more than the 400 MB that it is made for."""
_MOST_DOUBLINGS = 2
_log = structlog.get_logger(__name__)


def stage_batch(parts: Parts, job_id: str) -> None:
    """Read partitions until the batch's time is over, the job is read, or its state says to stop.

    Takes the job's staging term: what an earlier run of this activity still has running is
    fenced out, and that run starts nothing more.
    """
    if not _may_stage(parts.standing(job_id)):
        return
    with parts.metrics.progress.of(job_id):
        term = parts.catalog.take_term(job_id, now=now())
        if not keep_snapshot(parts, job_id):
            return
        batch = Batch(parts, job_id, term)
        try:
            batch.run()
        except StaleAttempt:
            _log.info("staging_term_over", job_id=job_id, term=term)
        finally:
            batch.leave_line()
            parts.metrics.attempts_stopped(len(batch.dispatch))
            batch.dispatch.stop()


def keep_snapshot(parts: Parts, job_id: str) -> bool:
    """Make sure that the job's snapshot has living holders; False if the job must be planned anew.

    Raises SnapshotLost if none lives and chunks of the snapshot are published already.
    """
    job = parts.catalog.job_by_id(job_id)
    if job.snapshot is None or job.snapshot.snapshot_class is not SnapshotClass.EXPORTED:
        return True
    try:
        if not job.snapshot.exports:
            raise SnapshotLost("the snapshot was let go while the job was paused")
        exports = parts.holders.keep(job_id, parts.connection(job), job.snapshot.exports)
    except SnapshotLost:
        if parts.catalog.reset_plan(job_id, now=now()):
            _log.warning("snapshot_lost_before_first_chunk", job_id=job_id)
            return False
        raise
    if exports != job.snapshot.exports:
        parts.catalog.record_exports(job_id, exports, now=now())
    return True


class Batch:
    """One run of the activity: what it has started, and until when it starts more."""

    def __init__(self, parts: Parts, job_id: str, term: int) -> None:
        self.dispatch = Dispatch(parts.session)
        self._parts = parts
        self._job_id = job_id
        self._term = term
        self._failures: dict[Attempt, Mapping[str, int]] = {}
        self._job = parts.catalog.job_by_id(job_id)
        self._connection: Connection = parts.connection(self._job)
        self._line = f"read {self._job.source.connection}"
        self._may_start_until = time.monotonic() + _BATCH_SECONDS
        self._stop_by: float | None = None
        self._kept_at = time.monotonic()
        self._beaten_at = 0.0
        self._looked_at = 0.0
        self._try_at = 0.0

    def run(self) -> None:
        """Loop until nothing runs and nothing more may start."""
        while not self._is_over():
            self._beat()
            if self._may_start():
                self._start_more()
            outcomes = self._wait()
            if outcomes:
                self._try_at = 0.0 if len(self.dispatch) else time.monotonic() + _TRY_SECONDS
            for outcome in outcomes:
                settle(self._parts, outcome, self._failures.pop(outcome.attempt, {}))
            if self._is_due_to_keep(outcomes) and not self._keep():
                return

    def _beat(self) -> None:
        """Heartbeat; raise if Temporal gave the activity to somebody else or the worker stops."""
        if time.monotonic() - self._beaten_at >= _BEAT_SECONDS:
            activity.heartbeat()
            self._beaten_at = time.monotonic()
        if activity.is_cancelled() or activity.is_worker_shutdown():
            raise OrchestrationUnavailable("the worker stops; the step goes on elsewhere")

    def _is_over(self) -> bool:
        if len(self.dispatch) > 0 and time.monotonic() - self._looked_at < _LOOK_SECONDS:
            return False
        self._looked_at = time.monotonic()
        standing = self._parts.standing(self._job_id)
        if standing.state is JobState.PAUSING:
            return self._is_winding_down()
        if not _may_stage(standing):
            return True
        is_read = standing.partitions_done == standing.partitions_total
        return len(self.dispatch) == 0 and (is_read or not self._may_start())

    def _is_winding_down(self) -> bool:
        if self._stop_by is None:
            self._stop_by = time.monotonic() + _PAUSE_SECONDS
        return len(self.dispatch) == 0 or time.monotonic() > self._stop_by

    def _may_start(self) -> bool:
        return self._stop_by is None and time.monotonic() < self._may_start_until

    def _start_more(self) -> None:
        room = width(self._parts, self._job) - len(self.dispatch)
        if room <= 0 or not self._is_turn():
            return
        begun = self._parts.catalog.begin_attempts(
            self._job_id,
            self._term,
            limit=min(room, _BEGUN_AT_ONCE),
            budget=self._connection.max_connections,
            now=now(),
        )
        for partition, attempt in begun:
            self._failures[attempt] = partition.failures
            self.dispatch.start(self._request(partition, attempt), self._memory(partition))
        if begun:
            self.leave_line()
        self._try_at = time.monotonic() + (0.0 if begun else _TRY_SECONDS)
        self._parts.metrics.attempts_started(len(begun))

    def _is_turn(self) -> bool:
        """Tell whether to try to begin; of those that read nothing, the first always does.

        Who has just read all that it had is the last of these.
        """
        is_first = len(self.dispatch) == 0 and self._parts.lines.is_first(self._line, self._job_id)
        return is_first or time.monotonic() >= self._try_at

    def leave_line(self) -> None:
        """Wait for sessions no more."""
        self._parts.lines.leave(self._line, self._job_id)

    def _memory(self, partition: Partition) -> int:
        """Give twice as much after each time that it was too little, but not more than a node has.

        A task that asks for more than any node has would wait for ever.
        """
        doublings = min(partition.failures.get(OutOfMemory.code, 0), _MOST_DOUBLINGS)
        wanted = _TASK_BYTES << doublings
        return min(wanted, self._parts.session.node_memory() or wanted)

    def _wait(self) -> list[Outcome]:
        if len(self.dispatch) == 0:
            time.sleep(_IDLE_SECONDS)
            return []
        return self.dispatch.poll(_POLL_SECONDS)

    def _is_due_to_keep(self, outcomes: list[Outcome]) -> bool:
        is_missed = any(_is(each, SnapshotLost.code) for each in outcomes)
        return is_missed or time.monotonic() - self._kept_at > _HOLDERS_SECONDS

    def _keep(self) -> bool:
        """Replace lost holders and use the new exports; False if the job must be planned anew."""
        self._kept_at = time.monotonic()
        is_kept = keep_snapshot(self._parts, self._job_id)
        self._job = self._parts.catalog.job_by_id(self._job_id)
        return is_kept

    def _request(self, partition: Partition, attempt: Attempt) -> ExtractRequest:
        job = self._job
        return ExtractRequest(
            attempt=attempt,
            connection=self._connection,
            spec=job.source,
            bounds=partition.bounds,
            snapshot=job.snapshot,
            arrow_schema=job.arrow_schema or b"",
            schema_fingerprint=job.schema_fingerprint or "",
            on_unrepresentable=job.options.on_unrepresentable,
            parquet=parquet_options(job.options),
            store=self._parts.store_config,
            telemetry=self._parts.telemetry,
            trace=carried(),
        )


def _is(outcome: Outcome, code: str) -> bool:
    return isinstance(outcome, Failure) and outcome.code == code


def _may_stage(standing: Standing) -> bool:
    return standing.state is JobState.RUNNING and standing.is_planned and not standing.is_due
