"""Changing a job: under a lock on its row, along the table of legal moves, and on record."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from staging.catalog.database import tell_move
from staging.catalog.fencing import fence_out
from staging.catalog.tables import Row, events, jobs
from staging.core.errors import UnknownJob
from staging.core.ids import is_uuid
from staging.core.jobs import FINAL, JobState, check_move

_IN_BULK = {"user_id", "name", "labels", "source", "columns", "arrow_schema"}
BRIEF_COLUMNS = tuple(column for column in jobs.c if column.name not in _IN_BULK)
"""A job's columns without its request and schema."""

_BY_ID = jobs.c.job_id == sa.bindparam("job_id")
_WHOLE = sa.select(jobs).where(_BY_ID)
_BRIEF = sa.select(*BRIEF_COLUMNS).where(_BY_ID)
_LOCK = _BRIEF.with_for_update(key_share=True)


def whole_job(connection: sa.Connection, job_id: str, *, org_id: int | None = None) -> Row:
    """Read a job's row; `org_id` None means whoever owns it.

    Raises UnknownJob if there is none, or it is another organisation's.
    """
    return _only(connection, _WHOLE, job_id, org_id)


def brief_job(connection: sa.Connection, job_id: str) -> Row:
    """Read the BRIEF_COLUMNS of a job.

    Raises UnknownJob.
    """
    return _only(connection, _BRIEF, job_id, None)


def lock_job(connection: sa.Connection, job_id: str, *, org_id: int | None = None) -> Row:
    """Read a job's row as brief_job does, and hold it to the transaction's end.

    Every change of a job, its partitions, attempts, chunks and acks begins here, which puts them
    in one order.  Raises UnknownJob as whole_job does.
    """
    return _only(connection, _LOCK, job_id, org_id)


def change_job(connection: sa.Connection, job: Row, **changes: Any) -> None:
    """Write columns of a locked job without raising its revision."""
    connection.execute(sa.update(jobs).where(jobs.c.job_id == job.job_id).values(**changes))


def revise_job(connection: sa.Connection, job: Row, **changes: Any) -> None:
    """Write columns of a locked job and raise its revision."""
    change_job(connection, job, revision=job.revision + 1, **changes)


def move_job(
    connection: sa.Connection, job: Row, target: JobState, *, now: datetime, **changes: Any
) -> None:
    """Move a locked job to another state, with an event; a final state ends its attempts.

    Raises StateConflict if the move is not legal.
    """
    check_move(job.job_id, job.state, target)
    if target in FINAL:
        fence_out(connection, job, now=now)
        changes |= {"finished_at": now, "running_attempts": 0}
    revise_job(connection, job, state=target, moved_at=now, **changes)
    note_event(connection, job, target, now=now)
    why = {"code": changes["error_code"]} if "error_code" in changes else {}
    tell_move(
        connection,
        job_id=job.job_id,
        org_id=job.org_id,
        from_state=job.state.value,
        to_state=target.value,
        **why,
    )


def note_event(connection: sa.Connection, job: Row, target: JobState, *, now: datetime) -> None:
    """Put on record what was just done to a locked job; `target` is its own state if it stays."""
    connection.execute(
        sa.insert(events).values(
            job_id=job.job_id,
            revision=job.revision + 1,
            at=now,
            from_state=job.state,
            to_state=target,
        )
    )


def _only(
    connection: sa.Connection, query: sa.Select[*tuple[Any, ...]], job_id: str, org_id: int | None
) -> Row:
    row = connection.execute(query, {"job_id": job_id}).one_or_none() if is_uuid(job_id) else None
    if row is None or org_id not in (None, row.org_id):
        raise UnknownJob(f"there is no job {job_id}")
    return row
