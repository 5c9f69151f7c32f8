"""Attempts at partitions: begun behind a raised fence, ended by raising it again."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from staging.catalog.budget import room_within
from staging.catalog.database import Database
from staging.catalog.fencing import fence_out
from staging.catalog.moves import change_job, lock_job, whole_job
from staging.catalog.tables import (
    IS_WAITING,
    AttemptState,
    PartitionState,
    Row,
    attempts,
    partitions,
)
from staging.core.chunks import Failure
from staging.core.errors import StaleAttempt
from staging.core.jobs import JobState
from staging.core.partitions import Attempt, Partition

_NEXT = (
    sa.select(partitions)
    .where(
        partitions.c.job_id == sa.bindparam("of_job"),
        IS_WAITING,
        sa.or_(partitions.c.not_before.is_(None), partitions.c.not_before <= sa.bindparam("now")),
    )
    .order_by(partitions.c.partition_id)
    .limit(sa.bindparam("at_most"))
)
_ONE_PARTITION = sa.and_(
    partitions.c.job_id == sa.bindparam("of_job"),
    partitions.c.partition_id == sa.bindparam("of_partition"),
)
_PARTITION = sa.select(
    partitions.c.state, partitions.c.fence, partitions.c.failures, partitions.c.chunk_count
).where(_ONE_PARTITION)
_UPDATE_PARTITION = sa.update(partitions).where(_ONE_PARTITION)
_BEGIN = _UPDATE_PARTITION.values(state=PartitionState.RUNNING, fence=partitions.c.fence + 1)
_END = sa.update(attempts).where(
    attempts.c.job_id == sa.bindparam("of_job"),
    attempts.c.partition_id == sa.bindparam("of_partition"),
    attempts.c.fence == sa.bindparam("of_fence"),
)
_FAILED = (
    sa.select(attempts.c.partition_id, attempts.c.error_code, sa.func.count().label("failures"))
    .where(
        attempts.c.job_id == sa.bindparam("of_job"),
        attempts.c.partition_id.in_(sa.bindparam("of_partitions", expanding=True)),
        attempts.c.fence > sa.bindparam("after_fence"),
        attempts.c.state == AttemptState.FAILED,
    )
    .group_by(attempts.c.partition_id, attempts.c.error_code)
)
_READ_BY = (
    sa.select(attempts.c.node_id, sa.func.count().label("partitions"))
    .where(
        attempts.c.job_id == sa.bindparam("of_job"),
        attempts.c.state == AttemptState.PUBLISHED,
        attempts.c.node_id.is_not(None),
    )
    .group_by(attempts.c.node_id)
)


class Attempts(Database):
    """Begin attempts within a connection's budget, and end those that failed."""

    def take_term(self, job_id: str, *, now: datetime) -> int:
        """Begin a new term of staging a job: attempts of earlier terms end, none can publish.

        Returns the term, which begin_attempts asks for.  Raises UnknownJob.
        """
        with self._writing() as connection:
            job = lock_job(connection, job_id)
            fence_out(connection, job, now=now)
            term = int(job.term) + 1
            change_job(connection, job, term=term, running_attempts=0)
            return term

    def begin_attempts(
        self, job_id: str, term: int, *, limit: int, budget: int, now: datetime
    ) -> list[tuple[Partition, Attempt]]:
        """Begin attempts at the next partitions of a running job, none in any other state.

        At most `limit`, and no more than keeps the attempts and holders of all jobs on the
        job's connection within `budget`, with a place left for each job that reads nothing;
        partitions whose retry is not due are left.
        Raises UnknownJob, and StaleAttempt if a later term has begun.
        """
        with self._writing() as connection:
            job = lock_job(connection, job_id)
            if job.term != term:
                raise StaleAttempt(f"term {term} of job {job_id} is over")
            if job.state is not JobState.RUNNING:
                return []
            room = min(limit, room_within(connection, job, budget))
            if room <= 0:
                return []
            found = connection.execute(_NEXT, {"of_job": job_id, "now": now, "at_most": room})
            begun = _begun(connection, job, found.all())
            if begun:
                _begin(connection, job, [attempt for _, attempt in begun], now)
            return begun

    def fail_attempt(self, failure: Failure, *, retry_at: datetime | None, now: datetime) -> int:
        """End a failed attempt; its partition waits until `retry_at` (None: no longer).

        Returns how often the partition failed with this code; 0, and nothing changes, for an
        attempt that has ended.  Raises UnknownJob.
        """
        attempt = failure.attempt
        with self._writing() as connection:
            job = lock_job(connection, attempt.job_id)
            partition = find_partition(connection, attempt)
            if not is_current(partition, attempt):
                return 0
            end_attempt(
                connection,
                attempt,
                state=AttemptState.FAILED,
                ended_at=now,
                error_code=failure.code,
                error_detail=failure.detail,
                node_id=failure.node_id,
            )
            update_partition(
                connection,
                attempt,
                state=PartitionState.WAITING,
                fence=attempt.fence + 1,
                failures=partition.failures + 1,
                not_before=retry_at,
            )
            change_job(connection, job, running_attempts=job.running_attempts - 1)
            failures = _failures(connection, job, [attempt.partition_id])
            return failures[attempt.partition_id][failure.code]

    def partitions_by_node(self, org_id: int, job_id: str) -> dict[str, int]:
        """Count the partitions that each node has read, by its id; raises UnknownJob."""
        with self._reading() as connection:
            whole_job(connection, job_id, org_id=org_id)
            counted = connection.execute(_READ_BY, {"of_job": job_id})
            return {row.node_id: row.partitions for row in counted}


def find_partition(connection: sa.Connection, attempt: Attempt) -> Any:
    """Read state, fence, failures and chunk count of an attempt's partition, None if dropped."""
    return connection.execute(_PARTITION, _partition_of(attempt)).one_or_none()


def is_current(partition: Any, attempt: Attempt) -> bool:
    """Tell whether an attempt runs and holds its partition's fence."""
    return bool(
        partition is not None
        and partition.state is PartitionState.RUNNING
        and partition.fence == attempt.fence
    )


def end_attempt(connection: sa.Connection, attempt: Attempt, **outcome: Any) -> None:
    """Write how an attempt ended."""
    key = _partition_of(attempt) | {"of_fence": attempt.fence}
    connection.execute(_END.values(**outcome), key)


def update_partition(connection: sa.Connection, attempt: Attempt, **changes: Any) -> None:
    """Write columns of an attempt's partition."""
    connection.execute(_UPDATE_PARTITION.values(**changes), _partition_of(attempt))


def _partition_of(attempt: Attempt) -> dict[str, Any]:
    return {"of_job": attempt.job_id, "of_partition": attempt.partition_id}


def _begun(
    connection: sa.Connection, job: Row, rows: Sequence[Row]
) -> list[tuple[Partition, Attempt]]:
    failures = _failures(connection, job, [row.partition_id for row in rows if row.failures])
    return [
        (
            Partition(row.job_id, row.partition_id, row.bounds, failures[row.partition_id]),
            Attempt(job.org_id, row.job_id, row.partition_id, row.fence + 1),
        )
        for row in rows
    ]


def _failures(
    connection: sa.Connection, job: Row, partition_ids: Sequence[int]
) -> Mapping[int, dict[str, int]]:
    """Count by code how often partitions of the job's present plan failed."""
    counts: defaultdict[int, dict[str, int]] = defaultdict(dict)
    if partition_ids:
        of = {"of_job": job.job_id, "of_partitions": partition_ids, "after_fence": job.fence_floor}
        for row in connection.execute(_FAILED, of):
            counts[row.partition_id][row.error_code] = row.failures
    return counts


def _begin(connection: sa.Connection, job: Row, begun: Sequence[Attempt], now: datetime) -> None:
    connection.execute(_BEGIN, [_partition_of(attempt) for attempt in begun])
    rows = [
        {
            "job_id": attempt.job_id,
            "partition_id": attempt.partition_id,
            "fence": attempt.fence,
            "term": job.term,
            "state": AttemptState.RUNNING,
            "started_at": now,
        }
        for attempt in begun
    ]
    connection.execute(sa.insert(attempts), rows)
    change_job(connection, job, running_attempts=job.running_attempts + len(rows))
