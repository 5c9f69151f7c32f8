"""Revisions of many jobs, for those who wait for them to change."""

from collections.abc import Collection

import sqlalchemy as sa

from staging.catalog.database import Database
from staging.catalog.tables import jobs
from staging.core.ids import is_uuid

_REVISIONS = sa.select(jobs.c.org_id, jobs.c.job_id, jobs.c.revision).where(
    jobs.c.job_id.in_(sa.bindparam("job_ids", expanding=True))
)


class Revisions(Database):
    """Read how often jobs have changed, and nothing else of them."""

    def revisions(self, asked: Collection[tuple[int, str]]) -> dict[tuple[int, str], int]:
        """Read the revisions of jobs, each named by its organisation and id, in one query.

        A revision rises with every change that a reader can see.  What is unknown, malformed or
        another organisation's is not in the answer.
        """
        job_ids = {job_id for _, job_id in asked if is_uuid(job_id)}
        with self._reading() as connection:
            found = connection.execute(_REVISIONS, {"job_ids": list(job_ids)})
            every = {(row.org_id, row.job_id): row.revision for row in found}
        return {job: every[job] for job in asked if job in every}
