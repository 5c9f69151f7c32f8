"""The steps by which a job gets somewhere in a catalog, for tests to begin from there."""

import os
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from staging.catalog import Catalog
from staging.core import ids
from staging.core.chunks import Failure, Receipt, StoredChunk, object_key
from staging.core.contracts import FailureReport
from staging.core.jobs import Job, JobDraft, JobOptions, JobState
from staging.core.manifest import Column, Snapshot, SnapshotClass, schema_fingerprint
from staging.core.partitions import Attempt, Plan
from staging.core.source_spec import Filter, SourceSpec

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
GRACE = timedelta(seconds=60)
BUDGET = 100
COLUMNS = (Column("id", "int64", nullable=False), Column("price", "decimal128(15, 2)"))
FINGERPRINT = schema_fingerprint(COLUMNS)
SNAPSHOT = Snapshot(SnapshotClass.EXPORTED, "00000003-0000001B-1", ("00000003-0000001B-1", "other"))


def a_draft(org_id: int = 1, at: datetime = NOW, **options: Any) -> JobDraft:
    """A request on a connection of its own, so that budgets of tests do not meet."""
    return JobDraft(
        job_id=ids.job_id(at, os.urandom(10)),
        org_id=org_id,
        user_id="someone",
        name="lineitem for run 12",
        labels={"run": "12"},
        source=SourceSpec(
            connection=f"warehouse-{uuid.uuid4()}",
            table="public.lineitem",
            columns=("id", "price"),
            filters=(Filter("id", "in", [1, 2, 3]), Filter("price", "not_null")),
        ),
        options=JobOptions(**options),
    )


def a_plan(partitions: int, snapshot: Snapshot = SNAPSHOT) -> Plan:
    bounds = tuple({"from": n * 10, "to": n * 10 + 10} for n in range(partitions))
    return Plan(COLUMNS, b"arrow", snapshot, bounds)


def accepted(catalog: Catalog, draft: JobDraft | None = None) -> str:
    """A pending job; gives its id."""
    return catalog.insert_job(draft or a_draft(), now=NOW).job.job_id


def running(catalog: Catalog, partitions: int = 3, draft: JobDraft | None = None) -> str:
    """A planned and running job; gives its id."""
    job_id = accepted(catalog, draft)
    assert catalog.record_plan(job_id, a_plan(partitions), now=NOW)
    catalog.start_job(job_id, now=NOW)
    return job_id


def begin(catalog: Catalog, job_id: str, limit: int = 100, now: datetime = NOW) -> list[Attempt]:
    """Attempts at the next partitions, in a new term."""
    term = catalog.take_term(job_id, now=now)
    begun = catalog.begin_attempts(job_id, term, limit=limit, budget=BUDGET, now=now)
    return [attempt for _, attempt in begun]


def a_receipt(attempt: Attempt, *row_counts: int, **changes: Any) -> Receipt:
    """What an attempt wrote: one chunk for each count of rows."""
    unique = uuid.uuid4().hex
    chunks = tuple(
        StoredChunk(object_key(attempt, unique, seq), rows, rows * 10, f"{seq:064x}")
        for seq, rows in enumerate(row_counts)
    )
    return replace(Receipt(attempt, chunks, FINGERPRINT, {}, {"read": 0.1}), **changes)


def a_failure(attempt: Attempt) -> Failure:
    return Failure(attempt, "source_unavailable", "the source does not answer", True)


def publish(catalog: Catalog, job_id: str, *row_counts: int, partitions: int = 100) -> None:
    """Publish waiting partitions, each as chunks of so many rows."""
    for attempt in begin(catalog, job_id, partitions):
        catalog.publish_partition(a_receipt(attempt, *row_counts), now=NOW)


def staged(
    catalog: Catalog, partitions: int = 3, draft: JobDraft | None = None, rows: int = 5
) -> str:
    """A sealed job with one chunk a partition; gives its id."""
    job_id = running(catalog, partitions, draft)
    publish(catalog, job_id, rows)
    assert catalog.seal_job(job_id, now=NOW)
    return job_id


def ack_all(catalog: Catalog, job_id: str, now: datetime = NOW, consumer: str = "default") -> None:
    job = catalog.job_by_id(job_id)
    for index in range(job.progress.chunks_published):
        catalog.acknowledge_chunk(
            job.org_id, job_id, str(index), consumer=consumer, sha256=None, now=now
        )


def job_in(catalog: Catalog, state: JobState, draft: JobDraft | None = None) -> Job:
    """A job that has come to a state by legal moves; with two of three chunks where it can."""
    ends_staged = state in (JobState.STAGED, JobState.COMPLETED)
    job_id = accepted(catalog, draft)
    if state is not JobState.PENDING:
        catalog.record_plan(job_id, a_plan(3), now=NOW)
        catalog.start_job(job_id, now=NOW)
        publish(catalog, job_id, 5, partitions=3 if ends_staged else 2)
    _MOVES[state](catalog, job_id)
    job = catalog.job_by_id(job_id)
    assert job.state is state
    return job


def _pause(catalog: Catalog, job_id: str) -> None:
    catalog.request_pause(catalog.job_by_id(job_id).org_id, job_id, now=NOW)


def _settle(catalog: Catalog, job_id: str) -> None:
    _pause(catalog, job_id)
    catalog.settle_pause(job_id, now=NOW)


def _cancel(catalog: Catalog, job_id: str) -> None:
    catalog.request_cancel(catalog.job_by_id(job_id).org_id, job_id, now=NOW)


def _finish_cancel(catalog: Catalog, job_id: str) -> None:
    _cancel(catalog, job_id)
    catalog.finish_cancel(job_id, now=NOW)


def _complete(catalog: Catalog, job_id: str) -> None:
    catalog.seal_job(job_id, now=NOW)
    ack_all(catalog, job_id)


_MOVES = {
    JobState.PENDING: lambda catalog, job_id: None,
    JobState.RUNNING: lambda catalog, job_id: None,
    JobState.PAUSING: _pause,
    JobState.PAUSED: _settle,
    JobState.STAGED: lambda catalog, job_id: catalog.seal_job(job_id, now=NOW),
    JobState.CANCELLING: _cancel,
    JobState.COMPLETED: _complete,
    JobState.FAILED: lambda catalog, job_id: catalog.fail_job(
        FailureReport(job_id, "source_changed", "the table is gone", 2), now=NOW
    ),
    JobState.CANCELLED: _finish_cancel,
    JobState.EXPIRED: lambda catalog, job_id: catalog.expire_job(job_id, now=NOW + 30 * DAY),
}


def check_order(catalog: Catalog, job_id: str) -> int:
    """Check that indexes and offsets have no gap and the counters agree; gives the count."""
    chunks = catalog.chunks(1, job_id, since_index=0, limit=10_000)
    offset = 0
    for index, chunk in enumerate(chunks):
        assert (chunk.chunk_index, chunk.row_offset) == (index, offset)
        offset += chunk.row_count
    progress = catalog.job(1, job_id).progress
    assert (progress.chunks_published, progress.rows) == (len(chunks), offset)
    return len(chunks)
