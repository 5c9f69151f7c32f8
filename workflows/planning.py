"""Plan a job: take the snapshot, split the source, write the partitions into the catalog."""

from functools import partial

from staging.core.errors import TooBusy
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


def plan_job(parts: Parts, job_id: str) -> None:
    """Plan the job unless it is planned already, or over, or no longer staging; idempotent.

    Raises TooBusy while the connection's budget has no place for a snapshot and one reader.
    """
    job = parts.catalog.job_by_id(job_id)
    if job.is_planned or job.state not in _PLANNED_IN or parts.standing(job_id).is_due:
        return
    job = parts.catalog.start_job(job_id, now=now())
    connection = parts.connection(job)
    source = source_for(connection)
    snapshot = _snapshot(parts, job, connection, source)
    split = source.split(job.source.newer_only(), snapshot, _sizing(parts, job, connection))
    check_incremental(job.source, split.schema)
    parts.catalog.record_plan(job_id, _plan(split), now=now())


def _sizing(parts: Parts, job: Job, connection: Connection) -> Sizing:
    form = parquet_options(job.options)
    return Sizing(
        target_bytes=form.target_bytes,
        encoded_bytes=partial(encoded_bytes, options=form),
        readers=min(connection.max_connections, width(parts, job)),
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
