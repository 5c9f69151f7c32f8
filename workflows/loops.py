"""The loops beside the workflows: each puts right what no workflow sees.

They run in every worker; each round is idempotent, so two workers do no harm.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import islice

import structlog
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.service import RPCError

from staging.core.contracts import TASK_QUEUE, WORKFLOW, Signal
from staging.core.errors import StagingError
from staging.storage.objects import StoredObject
from workflows.clock import now
from workflows.metrics import WorkerMetrics
from workflows.parts import Parts

_RECONCILE_SECONDS = 2.0
_QUIET = timedelta(seconds=4)
"""A job whose workflow has not acted on a change for so long is woken, or started."""
_WAKE_AGAIN_SECONDS, _WAKE_LONGEST_SECONDS = 30.0, 600.0
"""A job is woken again after the first, and after twice as long each time, up to the second: each
time is four events of the 51,200 that a history takes, and a step may last for weeks."""
_TRY_AGAIN_SECONDS = 5.0
"""When a job that could not be woken is tried again: soon after an outage of Temporal is over."""
_SNAPSHOT_SECONDS = 10.0
_JANITOR_LONGEST_SECONDS = 300.0
_JANITOR_RESTS = 9.0
"""The janitor lists the whole bucket: it rests so many times as long as that took, at least."""
_UPLOAD_AGE = timedelta(days=1)
_GARBAGE_PAGE = 1_000
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Turn:
    """When a job is woken next, and how long it was left alone before."""

    at: float = 0.0
    pause: float = _WAKE_AGAIN_SECONDS / 2


class Reconciler:
    """Starts or wakes the workflow of each job that should move and does not."""

    def __init__(
        self, parts: Parts, client: Client, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._parts = parts
        self._client = client
        self._clock = clock
        self._turns: dict[str, _Turn] = {}

    async def round(self) -> None:
        """Wake every unsettled job, each at most once in a while.

        One that Temporal refuses is in no other's way.  Raises the last RPCError when all have
        had their turn.
        """
        unsettled = await asyncio.to_thread(
            self._parts.catalog.unsettled_jobs,
            now=now(),
            quiet=_QUIET,
            purge_grace=self._parts.purge_grace,
        )
        self._turns = {job_id: self._turns.get(job_id, _Turn()) for job_id in unsettled}
        failed: RPCError | None = None
        for job_id, turn in self._turns.items():
            if turn.at > self._clock():
                continue
            try:
                await self._wake(job_id)
                turn.pause = min(_WAKE_LONGEST_SECONDS, 2 * turn.pause)
                turn.at = self._clock() + turn.pause
            except RPCError as refused:
                _log.warning("job_not_woken", job_id=job_id, status=refused.status.name)
                turn.at = self._clock() + _TRY_AGAIN_SECONDS
                failed = refused
        if failed is not None:
            raise failed

    async def _wake(self, job_id: str) -> None:
        await self._client.start_workflow(
            WORKFLOW,
            job_id,
            id=job_id,
            task_queue=TASK_QUEUE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            start_signal=Signal.TTL_CHANGED,
            rpc_timeout=timedelta(seconds=5),
        )
        self._parts.metrics.job_woken()
        _log.info("job_woken", job_id=job_id)


def tidy(parts: Parts) -> None:
    """Delete what nobody will ask for: garbage in the bucket, idempotency keys that are over."""
    collect_garbage(parts)
    parts.catalog.forget_keys(now=now())


def collect_garbage(parts: Parts) -> int:
    """Delete the objects of ended attempts and unfinished uploads; gives how many objects."""
    deleted = seen = seen_bytes = 0
    listed = parts.store.list()
    while page := list(islice(listed, _GARBAGE_PAGE)):
        seen, seen_bytes = seen + len(page), seen_bytes + sum(each.byte_count for each in page)
        deleted += _delete_garbage(parts, page)
    parts.store.abort_unfinished_uploads(now() - _UPLOAD_AGE)
    parts.metrics.bucket_seen(seen, seen_bytes)
    if deleted:
        _log.info("garbage_deleted", objects=deleted)
    return deleted


def _delete_garbage(parts: Parts, page: Sequence[StoredObject]) -> int:
    sizes = {
        found.key: found.byte_count
        for found in page
        if now() - found.modified_at > parts.garbage_grace
    }
    garbage = parts.catalog.garbage_keys(list(sizes), now=now(), grace=parts.garbage_grace)
    byte_count = sum(sizes[key] for key in garbage)
    parts.metrics.garbage_found(len(garbage), byte_count)
    parts.store.delete(garbage)
    parts.metrics.garbage_deleted(len(garbage), byte_count)
    return len(garbage)


class SnapshotSweeper:
    """Closes the holders of snapshots that nobody reads through."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._unnamed: set[tuple[str, str]] = set()

    def round(self) -> None:
        """Close the holders of jobs that need none, and this worker's of jobs that moved away.

        A job that moved names the exports of its new worker.  One that is just moving here does
        not name ours yet: what is closed was unnamed in the round before as well.
        """
        holders, catalog = self._parts.holders, self._parts.catalog
        for job_id in holders.jobs():
            if not catalog.wants_snapshot(job_id):
                holders.release(job_id)
        unnamed = {held for held in holders.own_exports().items() if not self._is_named(*held)}
        for job_id, _ in unnamed & self._unnamed:
            holders.release_own(job_id)
        self._unnamed = unnamed

    def _is_named(self, job_id: str, export: str) -> bool:
        snapshot = self._parts.catalog.job_by_id(job_id).snapshot
        return snapshot is None or export in snapshot.exports


async def run_loops(parts: Parts, client: Client) -> None:
    """Run the three loops until cancelled."""
    reconciler, sweeper = Reconciler(parts, client), SnapshotSweeper(parts)
    janitor_seconds = min(
        _JANITOR_LONGEST_SECONDS, max(1.0, parts.garbage_grace.total_seconds() / 2)
    )
    every = partial(_every, parts.metrics)
    await asyncio.gather(
        every("reconcile", _RECONCILE_SECONDS, reconciler.round),
        every(
            "janitor",
            janitor_seconds,
            lambda: asyncio.to_thread(tidy, parts),
            rests=_JANITOR_RESTS,
        ),
        every(
            "snapshots",
            _SNAPSHOT_SECONDS,
            lambda: asyncio.to_thread(sweeper.round),
        ),
    )


async def _every(
    metrics: WorkerMetrics,
    name: str,
    seconds: float,
    one_round: Callable[[], Awaitable[object]],
    *,
    rests: float = 0.0,
) -> None:
    while True:
        began = time.monotonic()
        try:
            with metrics.round(name):
                await one_round()
        except (StagingError, RPCError) as failed:
            _log.warning("round_failed", loop=name, error=type(failed).__name__)
        await asyncio.sleep(max(seconds, rests * (time.monotonic() - began)))
