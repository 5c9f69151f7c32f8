"""Deleting: which objects a final job still has, and which objects are nobody's."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from staging.catalog.database import Database
from staging.catalog.moves import change_job, lock_job, revise_job
from staging.catalog.rows import CHUNK_COLUMNS, chunk_of
from staging.catalog.tables import IS_UNDELETED, AttemptState, attempts, chunks, jobs
from staging.core.chunks import Chunk, attempt_of_key
from staging.core.ids import chunk_id
from staging.core.jobs import FINAL
from staging.core.partitions import Attempt

_ASKED_AT_ONCE = 500
_LARGEST = 2**63 - 1
_LEFT = (
    sa.select(*CHUNK_COLUMNS)
    .join(jobs, jobs.c.job_id == chunks.c.job_id)
    .where(
        chunks.c.job_id == sa.bindparam("of_job"),
        IS_UNDELETED,
        jobs.c.state.in_(FINAL),
    )
    .order_by(chunks.c.chunk_index)
    .limit(sa.bindparam("at_most"))
)
_DELETE = (
    sa.update(chunks)
    .where(
        chunks.c.job_id == sa.bindparam("of_job"),
        chunks.c.chunk_id == sa.bindparam("of_chunk"),
        IS_UNDELETED,
    )
    .values(deleted_at=sa.bindparam("at"))
)
_KEPT_ATTEMPTS = sa.select(attempts.c.job_id, attempts.c.partition_id, attempts.c.fence).where(
    attempts.c.job_id == sa.bindparam("of_job"),
    attempts.c.partition_id.in_(sa.bindparam("of_partitions", expanding=True)),
    sa.or_(
        attempts.c.state == AttemptState.RUNNING, attempts.c.ended_at > sa.bindparam("ended_by")
    ),
)


class Purging(Database):
    """Account for deleted objects, and tell garbage from what is still needed."""

    def undeleted_chunks(self, job_id: str, *, limit: int) -> list[Chunk]:
        """List at most `limit` chunks of a final job that are not deleted, in order.

        Empty for a job that is not final: nothing of it may be deleted.
        """
        with self._reading() as connection:
            asked = {"of_job": job_id, "at_most": limit}
            return [chunk_of(row) for row in connection.execute(_LEFT, asked)]

    def mark_deleted(self, job_id: str, chunk_ids: Sequence[str], *, now: datetime) -> None:
        """Record that the objects of a final job's chunks are gone; no-op for any other job.

        Idempotent.  Raises UnknownJob.
        """
        with self._writing() as connection:
            job = lock_job(connection, job_id)
            if job.state in FINAL and chunk_ids:
                rows = [{"of_job": job_id, "of_chunk": each, "at": now} for each in chunk_ids]
                connection.execute(_DELETE, rows)
                revise_job(connection, job)

    def mark_purged(self, job_id: str, *, now: datetime) -> bool:
        """Record that nothing is left of a final job but its rows; True if so.

        False, and nothing changes, while a chunk is not deleted or the job is not final.
        Idempotent.  Raises UnknownJob.
        """
        with self._writing() as connection:
            job = lock_job(connection, job_id)
            left = connection.execute(_LEFT, {"of_job": job_id, "at_most": 1}).first()
            if job.state not in FINAL or left is not None:
                return False
            change_job(connection, job, purged_at=job.purged_at or now, holders=0)
            return True

    def garbage_keys(self, keys: Sequence[str], *, now: datetime, grace: timedelta) -> list[str]:
        """Give those of the objects' keys that may be deleted, in the order given.

        Garbage is an object of an unknown attempt, or of one that ended longer than `grace` ago
        and that is not an undeleted chunk.  Keys that are not ours are not garbage.
        """
        ours = [(key, attempt) for key in keys if (attempt := _attempt_of(key)) is not None]
        garbage: list[str] = []
        with self._reading() as connection:
            for part in _parts(ours):
                garbage += _garbage(connection, part, now - grace)
        return garbage


def _attempt_of(key: str) -> Attempt | None:
    attempt = attempt_of_key(key)
    if attempt is None or max(attempt.partition_id, attempt.fence) > _LARGEST:
        return None
    return attempt


def _parts(
    ours: Sequence[tuple[str, Attempt]],
) -> Iterator[Sequence[tuple[str, Attempt]]]:
    return (ours[first : first + _ASKED_AT_ONCE] for first in range(0, len(ours), _ASKED_AT_ONCE))


def _garbage(
    connection: sa.Connection, part: Sequence[tuple[str, Attempt]], ended_by: datetime
) -> list[str]:
    kept_attempts = _kept_attempts(connection, [attempt for _, attempt in part], ended_by)
    kept_keys = _kept_keys(connection, [key for key, _ in part])
    return [
        key for key, attempt in part if key not in kept_keys and _name(attempt) not in kept_attempts
    ]


def _name(attempt: Attempt) -> tuple[str, int, int]:
    return attempt.job_id, attempt.partition_id, attempt.fence


def _kept_attempts(
    connection: sa.Connection, asked: Sequence[Attempt], ended_by: datetime
) -> set[tuple[str, int, int]]:
    partitions_by_job: dict[str, set[int]] = {}
    for attempt in asked:
        partitions_by_job.setdefault(attempt.job_id, set()).add(attempt.partition_id)
    kept: set[tuple[str, int, int]] = set()
    for job_id, partition_ids in partitions_by_job.items():
        wanted = {"of_job": job_id, "of_partitions": list(partition_ids), "ended_by": ended_by}
        kept |= {tuple(row) for row in connection.execute(_KEPT_ATTEMPTS, wanted)}
    return kept


def _kept_keys(connection: sa.Connection, keys: Sequence[str]) -> set[str]:
    query = sa.select(chunks.c.key).where(
        chunks.c.chunk_id.in_([chunk_id(key) for key in keys]), IS_UNDELETED
    )
    return set(connection.execute(query).scalars())
