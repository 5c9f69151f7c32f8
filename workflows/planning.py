"""Plan a job: take the snapshot, split the source, write the partitions into the catalog."""

import time
from contextlib import suppress
from functools import partial

from staging.core.errors import CatalogUnavailable, StagingError, TooBusy
from staging.core.jobs import Job, JobState
from staging.core.manifest import Column, Snapshot, SnapshotClass
from staging.core.partitions import Plan
from staging.sources.connections import Connection
from staging.sources.incremental import check_incremental
from staging.sources.kinds import source_for
from staging.sources.sizing import Sizing
from staging.sources.source import Source, Split
from staging.storage.measuring import encoded_bytes
from staging.storage.parquet import parquet_options
from workflows.clock import now
from workflows.parts import Parts
from workflows.width import width

_PLANNED_IN = frozenset({JobState.PENDING, JobState.RUNNING})
_HOLDERS = 2
_LOOK_SECONDS = 1.0


def plan_job(parts: Parts, job_id: str) -> None:
    """Plan the job unless it is planned already, or over, or no longer staging; idempotent.

    A plan that opens many files is given up before the next one when the job is paused or ends.
    Raises TooBusy while the connection's budget has no place for a snapshot and one reader.
    """
    if not _is_wanted(parts, job_id):
        return
    job = parts.catalog.start_job(job_id, now=now())
    connection = parts.connection(job)
    source = source_for(connection)
    snapshot = _snapshot(parts, job, connection, source)
    try:
        split = source.split(job.source.newer_only(), snapshot, _sizing(parts, job, connection))
    except _Unwanted:
        return
    check_incremental(job.source, split.schema)
    parts.catalog.record_plan(job_id, _plan(split), now=now())


def _is_wanted(parts: Parts, job_id: str) -> bool:
    standing = parts.standing(job_id)
    return standing.state in _PLANNED_IN and not standing.is_planned and not standing.is_due


class _Unwanted(StagingError):
    """The job was paused or ended while it was planned; never leaves this module."""


class _Watch:
    """Looks once a second whether a job is still to be planned; for several threads."""

    def __init__(self, parts: Parts, job_id: str) -> None:
        self._parts = parts
        self._job_id = job_id
        self._looked_at = time.monotonic()
        self._is_wanted = True

    def check(self) -> None:
        """Raise _Unwanted from the moment on when it is not.

        A catalog that does not answer just now is asked again: an hour's work may be at stake.
        """
        if self._is_wanted and time.monotonic() - self._looked_at >= _LOOK_SECONDS:
            self._looked_at = time.monotonic()
            with suppress(CatalogUnavailable):
                self._is_wanted = _is_wanted(self._parts, self._job_id)
        if not self._is_wanted:
            raise _Unwanted


def _sizing(parts: Parts, job: Job, connection: Connection) -> Sizing:
    form = parquet_options(job.options)
    return Sizing(
        target_bytes=form.target_bytes,
        encoded_bytes=partial(encoded_bytes, options=form),
        readers=min(connection.max_connections, width(parts, job)),
        check=_Watch(parts, job.job_id).check,
    )


def _snapshot(parts: Parts, job: Job, connection: Connection, source: Source) -> Snapshot:
    """Take the strongest snapshot that the source gives, or the weak one that was asked for."""
    if job.options.consistency == "best_effort":
        return Snapshot(SnapshotClass.BEST_EFFORT)
    if source.snapshot_class is not SnapshotClass.EXPORTED:
        return Snapshot(source.snapshot_class)
    budget = connection.max_connections
    if budget < _HOLDERS + 1:
        return Snapshot(SnapshotClass.SINGLE_READER)
    if not parts.catalog.admit_holders(job.job_id, _HOLDERS, budget=budget):
        raise TooBusy("all sessions of the connection are in use; the job waits for two")
    exports = parts.holders.open(job.job_id, connection)
    return Snapshot.exported(exports)


def _plan(split: Split) -> Plan:
    columns = tuple(Column(field.name, str(field.type), field.nullable) for field in split.schema)
    schema = split.schema.serialize().to_pybytes()
    return Plan(columns, schema, split.snapshot, split.bounds)
