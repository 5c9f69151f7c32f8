"""Acknowledgements, and the end that the last one brings."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from staging.catalog.chunks import find_chunk
from staging.catalog.database import Database
from staging.catalog.moves import lock_job, move_job, revise_job
from staging.catalog.rows import options_of
from staging.catalog.tables import Row, acks, chunks
from staging.core.chunks import Acknowledgement
from staging.core.errors import ChecksumMismatch, FieldError, Gone, UndeclaredConsumer
from staging.core.jobs import ENDING, JobState, Retain

_SHOWN_LENGTH = 1000


class Acks(Database):
    """Take a consumer's word that it has a chunk."""

    def acknowledge_chunk(  # noqa: PLR0913 -- three name the chunk, three are the ack
        self,
        org_id: int,
        job_id: str,
        ref: str,
        *,
        consumer: str,
        sha256: str | None,
        now: datetime,
    ) -> Acknowledgement:
        """Record that a consumer has a chunk; the last such record of a job completes it.

        Idempotent: a repeated ack gives the moment of the first, whatever became of the chunk.
        `sha256` None is not compared.  Raises UnknownJob, UnknownChunk, UndeclaredConsumer,
        ChecksumMismatch (nothing is recorded), Gone if the consumer comes too late.
        """
        with self._writing() as connection:
            job = lock_job(connection, job_id, org_id=org_id)
            chunk = find_chunk(connection, job_id, ref)
            consumers = options_of(job.options).consumers
            if consumer not in consumers:
                raise _undeclared(job_id, consumer, consumers)
            acked_at = _first_ack(connection, chunk, consumer)
            if acked_at is None:
                _check_there(job, chunk)
            if sha256 is not None and sha256.lower() != chunk.sha256:
                raise _mismatch(chunk)
            if acked_at is None:
                _record(connection, chunk, consumer, now)
                _count(connection, job, chunk, len(consumers), now)
                job = lock_job(connection, job_id)
            return Acknowledgement(
                chunk_id=chunk.chunk_id,
                chunk_index=chunk.chunk_index,
                acked_at=acked_at or now,
                chunks_acked=job.chunks_acked,
                state=job.state,
            )


def is_all_acked(job: Row) -> bool:
    """Tell whether a locked job that is staged would be completed by its acks."""
    ends_by_ack = options_of(job.options).retain is Retain.UNTIL_ACKED
    return bool(ends_by_ack and 0 < job.chunks_published == job.chunks_acked)


def complete_if_acked(connection: sa.Connection, job_id: str, *, now: datetime) -> None:
    """Complete a job that is staged and whose every chunk is acked by every consumer."""
    job = lock_job(connection, job_id)
    if job.state is JobState.STAGED and is_all_acked(job):
        move_job(connection, job, JobState.COMPLETED, now=now)


def _undeclared(job_id: str, consumer: str, declared: Sequence[str]) -> UndeclaredConsumer:
    detail = f"job {job_id} has no consumer {consumer!r}; it declares {_shown(declared)}"
    return UndeclaredConsumer(detail, [FieldError("#/consumer", detail)])


def _shown(names: Sequence[str]) -> str:
    """List names for a message, which must fit a trailer of gRPC."""
    listed = ", ".join(names)
    return listed if len(listed) <= _SHOWN_LENGTH else f"{listed[:_SHOWN_LENGTH]}…"


def _mismatch(chunk: Row) -> ChecksumMismatch:
    detail = (
        f"the SHA-256 is not that of chunk {chunk.chunk_index} of job {chunk.job_id}; "
        "read the chunk again before acknowledging it"
    )
    return ChecksumMismatch(detail, [FieldError("#/sha256", detail)])


def _of_chunk(chunk: Row) -> sa.ColumnElement[bool]:
    return sa.and_(acks.c.job_id == chunk.job_id, acks.c.chunk_index == chunk.chunk_index)


def _first_ack(connection: sa.Connection, chunk: Row, consumer: str) -> datetime | None:
    query = sa.select(acks.c.acked_at).where(_of_chunk(chunk), acks.c.consumer == consumer)
    return connection.execute(query).scalar_one_or_none()


def _check_there(job: Row, chunk: Row) -> None:
    if job.state not in ENDING and chunk.deleted_at is None:
        return
    reason = JobState.CANCELLED if job.state is JobState.CANCELLING else job.state
    raise Gone(
        f"chunk {chunk.chunk_index} of job {job.job_id} is gone: the job is {job.state}",
        reason=reason.value,
    )


def _record(connection: sa.Connection, chunk: Row, consumer: str, now: datetime) -> None:
    connection.execute(
        sa.insert(acks).values(
            job_id=chunk.job_id, chunk_index=chunk.chunk_index, consumer=consumer, acked_at=now
        )
    )


def _count(
    connection: sa.Connection,
    job: Row,
    chunk: Row,
    consumer_count: int,
    now: datetime,
) -> None:
    having = sa.select(sa.func.count()).select_from(acks).where(_of_chunk(chunk))
    if consumer_count > 1 and connection.execute(having).scalar_one() < consumer_count:
        revise_job(connection, job)
        return
    connection.execute(
        sa.update(chunks)
        .where(chunks.c.job_id == chunk.job_id, chunks.c.chunk_index == chunk.chunk_index)
        .values(acked_at=now)
    )
    chunks_acked = job.chunks_acked + 1
    revise_job(connection, job, chunks_acked=chunks_acked)
    if chunks_acked == job.chunks_published:
        complete_if_acked(connection, job.job_id, now=now)
