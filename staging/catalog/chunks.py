"""Published chunks as readers find them."""

import re
from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from staging.catalog.database import Database
from staging.catalog.moves import whole_job
from staging.catalog.rows import CHUNK_COLUMNS, chunk_of, job_of
from staging.catalog.tables import Row, chunks, jobs
from staging.core.chunks import Chunk
from staging.core.errors import UnknownChunk, UnknownJob
from staging.core.ids import is_uuid
from staging.core.jobs import Job

_INDEX = re.compile("[0-9]{1,18}")
_OF_JOB = sa.select(*CHUNK_COLUMNS).where(chunks.c.job_id == sa.bindparam("job_id"))
_BY_INDEX = _OF_JOB.where(chunks.c.chunk_index == sa.bindparam("ref"))
_BY_ID = _OF_JOB.where(chunks.c.chunk_id == sa.bindparam("ref"))
_BY_INDEXES = _OF_JOB.where(chunks.c.chunk_index.in_(sa.bindparam("refs", expanding=True)))
_BY_IDS = _OF_JOB.where(chunks.c.chunk_id.in_(sa.bindparam("refs", expanding=True)))
CHUNK_PAGE = (
    _OF_JOB.where(chunks.c.chunk_index >= sa.bindparam("since_index"))
    .order_by(chunks.c.chunk_index)
    .limit(sa.bindparam("page"))
)
"""Chunks of `job_id` from `since_index` on, in order, at most `page`."""
_OWNER = sa.select(jobs.c.org_id).where(jobs.c.job_id == sa.bindparam("job_id"))


class Chunks(Database):
    """Read a job's chunks, also when they are deleted."""

    def chunk(self, org_id: int, job_id: str, ref: str) -> Chunk:
        """Read one chunk by its id or, as decimal digits, its index.

        Raises UnknownJob, UnknownChunk.
        """
        with self._reading() as connection:
            _check_owner(connection, org_id, job_id)
            return chunk_of(find_chunk(connection, job_id, ref))

    def job_and_chunk(self, org_id: int, job_id: str, ref: str) -> tuple[Job, Chunk]:
        """Read a job and one of its chunks as they are at one instant.

        Raises UnknownJob, UnknownChunk.
        """
        job, found = self.job_and_chunks(org_id, job_id, [ref])
        if ref not in found:
            raise UnknownChunk(f"job {job_id} has no chunk {ref}")
        return job, found[ref]

    def job_and_chunks(
        self, org_id: int, job_id: str, refs: Collection[str]
    ) -> tuple[Job, dict[str, Chunk]]:
        """Read a job and some of its chunks, each by id or index, as they are at one instant.

        What is no chunk of the job is not in the answer.  Raises UnknownJob.
        """
        indexes = {ref: int(ref) for ref in refs if _INDEX.fullmatch(ref)}
        ids = [ref for ref in refs if ref not in indexes and is_uuid(ref)]
        with self._reading() as connection:
            job = job_of(whole_job(connection, job_id, org_id=org_id))
            by_index = _found(connection, _BY_INDEXES, job_id, set(indexes.values()))
            by_id = _found(connection, _BY_IDS, job_id, set(ids))
        named = {ref: by_index.get(index) for ref, index in indexes.items()}
        named |= {ref: by_id.get(ref) for ref in ids}
        return job, {ref: chunk for ref, chunk in named.items() if chunk is not None}

    def chunks(self, org_id: int, job_id: str, *, since_index: int, limit: int) -> list[Chunk]:
        """List at most `limit` chunks from an index on, in order.

        Raises UnknownJob.
        """
        with self._reading() as connection:
            _check_owner(connection, org_id, job_id)
            page = {"job_id": job_id, "since_index": since_index, "page": limit}
            return [chunk_of(row) for row in connection.execute(CHUNK_PAGE, page)]


def find_chunk(connection: sa.Connection, job_id: str, ref: str) -> Row:
    """Find a chunk's row (CHUNK_COLUMNS) by id or index.

    Raises UnknownChunk.
    """
    found = None
    if _INDEX.fullmatch(ref):
        found = connection.execute(_BY_INDEX, {"job_id": job_id, "ref": int(ref)}).one_or_none()
    elif is_uuid(ref):
        found = connection.execute(_BY_ID, {"job_id": job_id, "ref": ref}).one_or_none()
    if found is None:
        raise UnknownChunk(f"job {job_id} has no chunk {ref}")
    return found


def _found(
    connection: sa.Connection,
    query: sa.Select[*tuple[Any, ...]],
    job_id: str,
    refs: Collection[int] | Collection[str],
) -> dict[int | str, Chunk]:
    """Find chunks by their indexes, or by their ids; keyed by both."""
    if not refs:
        return {}
    rows = connection.execute(query, {"job_id": job_id, "refs": list(refs)})
    found = [chunk_of(row) for row in rows]
    return {key: each for each in found for key in (each.chunk_index, each.chunk_id)}


def _check_owner(connection: sa.Connection, org_id: int, job_id: str) -> None:
    owner = None
    if is_uuid(job_id):
        owner = connection.execute(_OWNER, {"job_id": job_id}).scalar_one_or_none()
    if owner != org_id:
        raise UnknownJob(f"there is no job {job_id}")
