"""Plans: the partitions of a job, its schema, its snapshot and the holders of that."""

from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from staging.catalog.budget import lock_usage
from staging.catalog.database import Database
from staging.catalog.fencing import fence_out
from staging.catalog.moves import change_job, lock_job, revise_job
from staging.catalog.rows import options_of
from staging.catalog.tables import PartitionState, Row, jobs, partitions
from staging.core.jobs import ENDING, JobState
from staging.core.manifest import Snapshot, schema_fingerprint
from staging.core.partitions import Plan

_S = JobState
_PLANNABLE = frozenset({_S.PENDING, _S.RUNNING, _S.PAUSING, _S.PAUSED})
_PLANNING = _PLANNABLE - {_S.PAUSED}
_READ_OUT = ENDING | {_S.STAGED}
_INSERTED_AT_ONCE = 10_000
_NO_PLAN: dict[str, Any] = {
    "is_planned": False,
    "partitions_total": None,
    "partitions_done": 0,
    "running_attempts": 0,
    "columns": None,
    "arrow_schema": None,
    "schema_fingerprint": None,
    "snapshot": None,
    "nulled": {},
    "high_water": None,
}


class Plans(Database):
    """Write what planning found, and what keeps the snapshot open."""

    def admit_holders(self, job_id: str, count: int, *, budget: int) -> bool:
        """Reserve connections for a job's snapshot holders; True once they may be opened.

        The reservation is made when all jobs' holders leave one connection of the budget for
        reading.  It also stops new attempts, so that a later call is answered True when enough
        running ones have ended.  Idempotent.  Raises UnknownJob.
        """
        with self._writing() as connection:
            job = lock_job(connection, job_id)
            in_use = lock_usage(connection, job.connection)
            others = in_use.holders - job.holders
            is_reserved = job.holders == count or others + count + 1 <= budget
            if job.state in _READ_OUT or not is_reserved:
                return False
            change_job(connection, job, holders=count)
            return bool(others + count + in_use.attempts <= budget)

    def record_plan(self, job_id: str, plan: Plan, *, now: datetime) -> bool:
        """Insert a job's partitions and write its schema and snapshot, all or nothing.

        False, and nothing changes, if the job has a plan or no longer needs one.
        Raises UnknownJob.
        """
        del now
        with self._writing() as connection:
            job = lock_job(connection, job_id)
            if job.is_planned or job.state not in _PLANNABLE:
                return False
            _insert_partitions(connection, job, plan)
            revise_job(connection, job, **_planned(plan))
            return True

    def reset_plan(self, job_id: str, *, now: datetime) -> bool:
        """Drop a plan of which nothing is published; attempts at it can never publish.

        False, and nothing changes, if there is no plan or a chunk of it is visible.
        Raises UnknownJob.
        """
        with self._writing() as connection:
            job = lock_job(connection, job_id)
            if not job.is_planned or job.chunks_published or job.state not in _PLANNABLE:
                return False
            fence_out(connection, job, now=now)
            of_job = partitions.c.job_id == job_id
            highest = sa.select(sa.func.max(partitions.c.fence)).where(of_job)
            top = connection.execute(highest).scalar_one()
            connection.execute(sa.delete(partitions).where(of_job))
            floor = job.fence_floor if top is None else top + 1
            revise_job(connection, job, fence_floor=floor, **_NO_PLAN)
            return True

    def record_exports(self, job_id: str, exports: tuple[str, ...], *, now: datetime) -> bool:
        """Replace the tokens through which readers join a job's snapshot.

        False, and nothing changes, once the snapshot is released or not needed any more.
        Raises UnknownJob.
        """
        del now
        with self._writing() as connection:
            job = lock_job(connection, job_id)
            if not job.is_planned or not _wants_snapshot(job):
                return False
            snapshot = replace(Snapshot.from_json(job.snapshot), exports=exports)
            change_job(connection, job, snapshot=snapshot.to_json())
            return True

    def release_snapshot(self, job_id: str, *, now: datetime) -> bool:
        """Let a job's snapshot go: no tokens, no connections for holders.

        False, and nothing changes, while the job may still read: it was resumed meanwhile, or given
        a longer life.  Idempotent.  Raises UnknownJob.
        """
        with self._writing() as connection:
            job = lock_job(connection, job_id)
            ends_at = snapshot_end(job)
            if _wants_snapshot(job) and (ends_at is None or ends_at > now):
                return False
            changes: dict[str, Any] = {"holders": 0}
            if job.snapshot is not None:
                kept = replace(Snapshot.from_json(job.snapshot), exports=())
                changes["snapshot"] = kept.to_json()
            change_job(connection, job, **changes)
            return True

    def wants_snapshot(self, job_id: str) -> bool:
        """Tell whether the holders of a job's snapshot must stay open; False for an unknown job."""
        columns = (jobs.c.state, jobs.c.is_planned, jobs.c.snapshot)
        with self._reading() as connection:
            query = sa.select(*columns).where(jobs.c.job_id == job_id)
            job = connection.execute(query).one_or_none()
            return job is not None and _wants_snapshot(job)


def has_exports(job: Row) -> bool:
    """Tell whether a job has an unreleased snapshot that holders keep open."""
    return bool(job.snapshot is not None and job.snapshot["exports"])


def snapshot_end(job: Row) -> datetime | None:
    """Tell when a paused job's snapshot is let go; None where it stays, or none is kept."""
    if job.state is not JobState.PAUSED or not has_exports(job):
        return None
    paused_at: datetime = job.moved_at
    return paused_at + timedelta(seconds=options_of(job.options).max_snapshot_age_seconds)


def _wants_snapshot(job: Row) -> bool:
    if job.is_planned:
        return job.state not in _READ_OUT and has_exports(job)
    return job.state in _PLANNING


def _insert_partitions(connection: sa.Connection, job: Row, plan: Plan) -> None:
    rows = [
        {
            "job_id": job.job_id,
            "partition_id": partition_id,
            "bounds": dict(bounds),
            "state": PartitionState.WAITING,
            "fence": job.fence_floor,
            "failures": 0,
        }
        for partition_id, bounds in enumerate(plan.bounds)
    ]
    for first in range(0, len(rows), _INSERTED_AT_ONCE):
        connection.execute(sa.insert(partitions), rows[first : first + _INSERTED_AT_ONCE])


def _planned(plan: Plan) -> dict[str, Any]:
    return {
        "is_planned": True,
        "partitions_total": len(plan.bounds),
        "columns": [asdict(column) for column in plan.columns],
        "arrow_schema": plan.arrow_schema,
        "schema_fingerprint": schema_fingerprint(plan.columns),
        "snapshot": plan.snapshot.to_json(),
    }
