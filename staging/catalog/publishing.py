"""Publishing: the one place where chunks become visible, and the fence that guards it."""

from collections import Counter
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from staging.catalog.attempts import end_attempt, find_partition, is_current, update_partition
from staging.catalog.database import Database
from staging.catalog.moves import lock_job, revise_job
from staging.catalog.tables import AttemptState, PartitionState, Row, chunks
from staging.core.chunks import Receipt
from staging.core.errors import SourceChanged, StaleAttempt
from staging.core.high_water import later
from staging.core.ids import chunk_id
from staging.core.jobs import PUBLISHING
from staging.core.partitions import Attempt


class Publishing(Database):
    """Make finished attempts visible."""

    def publish_partition(self, receipt: Receipt, *, now: datetime) -> int:
        """Make the chunks of one finished attempt visible, all or none.

        Idempotent: a second call for the same attempt gives the same count and changes nothing.
        Returns the number of its chunks (0 for an empty partition).  Raises UnknownJob,
        StaleAttempt if a later attempt holds the fence or the job no longer publishes,
        SourceChanged if the attempt read another schema; nothing is visible then.
        """
        attempt = receipt.attempt
        with self._writing() as connection:
            job = lock_job(connection, attempt.job_id)
            partition = find_partition(connection, attempt)
            if _is_published_by(partition, attempt):
                return int(partition.chunk_count)
            if job.state not in PUBLISHING or not is_current(partition, attempt):
                raise StaleAttempt(f"the attempt {attempt.name} may not publish")
            if receipt.schema_fingerprint != job.schema_fingerprint:
                raise SourceChanged(f"partition {attempt.partition_id} has another schema")
            _insert_chunks(connection, job, receipt)
            end_attempt(
                connection,
                attempt,
                state=AttemptState.PUBLISHED,
                ended_at=now,
                node_id=receipt.node_id,
            )
            update_partition(
                connection,
                attempt,
                state=PartitionState.DONE,
                chunk_count=len(receipt.chunks),
                not_before=None,
            )
            revise_job(connection, job, **_counted(job, receipt))
            return len(receipt.chunks)


def _is_published_by(partition: Any, attempt: Attempt) -> bool:
    return bool(
        partition is not None
        and partition.state is PartitionState.DONE
        and partition.fence == attempt.fence
    )


def _insert_chunks(connection: sa.Connection, job: Row, receipt: Receipt) -> None:
    rows: list[dict[str, Any]] = []
    row_offset = job.row_count
    for chunk_index, chunk in enumerate(receipt.chunks, start=job.chunks_published):
        rows.append(
            {
                "job_id": job.job_id,
                "chunk_index": chunk_index,
                "chunk_id": chunk_id(chunk.key),
                "partition_id": receipt.attempt.partition_id,
                "row_offset": row_offset,
                "row_count": chunk.row_count,
                "byte_count": chunk.byte_count,
                "sha256": chunk.sha256,
                "key": chunk.key,
            }
        )
        row_offset += chunk.row_count
    if rows:
        connection.execute(sa.insert(chunks), rows)


def _counted(job: Row, receipt: Receipt) -> dict[str, Any]:
    return {
        "partitions_done": job.partitions_done + 1,
        "chunks_published": job.chunks_published + len(receipt.chunks),
        "row_count": job.row_count + receipt.row_count,
        "byte_count": job.byte_count + sum(chunk.byte_count for chunk in receipt.chunks),
        "nulled": dict(Counter(job.nulled) + Counter(receipt.nulled)),
        "high_water": later(job.high_water, receipt.high_water),
        "running_attempts": job.running_attempts - 1,
    }
