"""Jobs as clients create and read them."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from staging.catalog.database import Database, tell_move
from staging.catalog.moves import whole_job
from staging.catalog.records import IdempotencyKey, Inserted
from staging.catalog.rows import job_of, job_row
from staging.catalog.tables import events, idempotency_keys, jobs
from staging.core.errors import FieldError, IdempotencyMismatch, UnknownJob
from staging.core.ids import is_uuid
from staging.core.jobs import Job, JobDraft, JobState
from staging.core.retention import IDEMPOTENCY_KEPT


class Jobs(Database):
    """Insert a job once, and read jobs."""

    def insert_job(
        self, draft: JobDraft, *, now: datetime, idempotency: IdempotencyKey | None = None
    ) -> Inserted:
        """Accept a job, or find the one that was accepted under the same key within 24 hours.

        Idempotent for one draft; of two concurrent inserts with one key, one makes the job.
        Raises IdempotencyMismatch if the key came with another body.
        """
        with self._writing() as connection:
            owner = draft.job_id
            if idempotency is not None:
                owner = _claim_key(connection, draft, idempotency, now)
            if owner == draft.job_id:
                _insert(connection, draft, now)
            return Inserted(job_of(whole_job(connection, owner)), owner != draft.job_id)

    def replayed_job(
        self, org_id: int, idempotency: IdempotencyKey, *, now: datetime
    ) -> Job | None:
        """Find the job that was accepted under a key within 24 hours, None if none was.

        Raises IdempotencyMismatch if the key came with another body.
        """
        with self._reading() as connection:
            owner = _key_owner(connection, org_id, idempotency, now)
            return None if owner is None else job_of(whole_job(connection, owner))

    def forget_keys(self, *, now: datetime) -> int:
        """Delete the idempotency keys that are older than 24 hours; returns how many."""
        with self._writing() as connection:
            too_old = idempotency_keys.c.created_at <= now - IDEMPOTENCY_KEPT
            return connection.execute(sa.delete(idempotency_keys).where(too_old)).rowcount

    def job(self, org_id: int, job_id: str) -> Job:
        """Read one job of an organisation.

        Raises UnknownJob for an unknown or malformed id and for another organisation's job.
        """
        with self._reading() as connection:
            return job_of(whole_job(connection, job_id, org_id=org_id))

    def job_by_id(self, job_id: str) -> Job:
        """Read one job, whichever organisation's it is; not for callers from outside.

        Raises UnknownJob.
        """
        with self._reading() as connection:
            return job_of(whole_job(connection, job_id))

    def revision(self, org_id: int, job_id: str) -> int:
        """Read a job's revision alone: it rises with every change that a reader can see.

        Raises UnknownJob as job() does.
        """
        with self._reading() as connection:
            found = None
            if is_uuid(job_id):
                keys = {"job_id": job_id, "org_id": org_id}
                found = connection.execute(_REVISION, keys).scalar_one_or_none()
            if found is None:
                raise UnknownJob(f"there is no job {job_id}")
            return int(found)

    def list_jobs(
        self,
        org_id: int,
        *,
        state: JobState | None = None,
        label: tuple[str, str] | None = None,
        before: str | None = None,
        limit: int,
    ) -> list[Job]:
        """List an organisation's jobs, newest first, from the one after the id `before`."""
        query = sa.select(jobs).where(jobs.c.org_id == org_id)
        if state is not None:
            query = query.where(jobs.c.state == state)
        if before is not None:
            query = query.where(jobs.c.job_id < before)
        with self._reading() as connection:
            if label is not None:
                query = query.where(_has_label(connection, *label))
            found = connection.execute(query.order_by(jobs.c.job_id.desc()).limit(limit))
            return [job_of(row) for row in found]


_REVISION = sa.select(jobs.c.revision).where(
    jobs.c.job_id == sa.bindparam("job_id"), jobs.c.org_id == sa.bindparam("org_id")
)


_INSERT_OF: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


def _claim_key(
    connection: sa.Connection, draft: JobDraft, idempotency: IdempotencyKey, now: datetime
) -> str:
    key = {"org_id": draft.org_id, "key": idempotency.key}
    connection.execute(
        sa.delete(idempotency_keys).where(
            idempotency_keys.c.org_id == draft.org_id,
            idempotency_keys.c.key == idempotency.key,
            idempotency_keys.c.created_at <= now - IDEMPOTENCY_KEPT,
        )
    )
    claim = key | {"body_sha256": idempotency.body_sha256, "job_id": draft.job_id}
    _insert_unless_there(connection, idempotency_keys, claim | {"created_at": now})
    return _key_owner(connection, draft.org_id, idempotency, now) or draft.job_id


def _key_owner(
    connection: sa.Connection, org_id: int, idempotency: IdempotencyKey, now: datetime
) -> str | None:
    found = connection.execute(
        sa.select(idempotency_keys.c.job_id, idempotency_keys.c.body_sha256).where(
            idempotency_keys.c.org_id == org_id,
            idempotency_keys.c.key == idempotency.key,
            idempotency_keys.c.created_at > now - IDEMPOTENCY_KEPT,
        )
    ).one_or_none()
    if found is None:
        return None
    if found.body_sha256 != idempotency.body_sha256:
        raise _mismatch(found.job_id)
    return str(found.job_id)


def _mismatch(job_id: str) -> IdempotencyMismatch:
    detail = f"the Idempotency-Key made job {job_id} from another body; choose a new key"
    return IdempotencyMismatch(detail, [FieldError("#/header/Idempotency-Key", detail)])


def _insert(connection: sa.Connection, draft: JobDraft, now: datetime) -> None:
    if _insert_unless_there(connection, jobs, job_row(draft, now)):
        connection.execute(
            sa.insert(events).values(
                job_id=draft.job_id, revision=1, at=now, to_state=JobState.PENDING
            )
        )
        state = JobState.PENDING.value
        tell_move(
            connection, job_id=draft.job_id, org_id=draft.org_id, from_state=None, to_state=state
        )


def _insert_unless_there(connection: sa.Connection, table: sa.Table, row: dict[str, Any]) -> bool:
    insert = _INSERT_OF[connection.dialect.name](table)
    counted = {"preserve_rowcount": True}
    unless_there = insert.values(row).on_conflict_do_nothing()
    return connection.execute(unless_there, execution_options=counted).rowcount == 1


def _has_label(connection: sa.Connection, name: str, value: str) -> sa.ColumnElement[bool]:
    if connection.dialect.name == "sqlite":
        label = sa.func.json_each(jobs.c.labels).table_valued("key", "value")
        return sa.exists().where(label.c.key == name, label.c.value == value)
    return jobs.c.labels.op("@>")(sa.bindparam("label", {name: value}, jobs.c.labels.type))
