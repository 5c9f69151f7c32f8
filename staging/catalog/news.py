"""What happened to a job since somebody looked."""

import sqlalchemy as sa

from staging.catalog.chunks import CHUNK_PAGE
from staging.catalog.database import Database
from staging.catalog.moves import whole_job
from staging.catalog.records import Move, News
from staging.catalog.rows import chunk_of, job_of
from staging.catalog.tables import events

_MOVES = (
    sa.select(events.c.revision, events.c.to_state, events.c.at)
    .where(
        events.c.job_id == sa.bindparam("job_id"),
        events.c.revision > sa.bindparam("since_revision"),
        events.c.revision <= sa.bindparam("until_revision"),
        sa.or_(events.c.from_state.is_(None), events.c.from_state != events.c.to_state),
    )
    .order_by(events.c.revision)
    .limit(sa.bindparam("page"))
)


class NewsOfJobs(Database):
    """Tell those who follow a job."""

    def job_news(
        self, org_id: int, job_id: str, *, since_revision: int, since_index: int, limit: int
    ) -> News:
        """Read a job, its moves after a revision and its chunks from an index on, in order.

        At most `limit` moves and as many chunks, none newer than the job that is given with them.
        Raises UnknownJob.
        """
        with self._reading() as connection:
            job = job_of(whole_job(connection, job_id, org_id=org_id))
            since = {
                "job_id": job_id,
                "since_revision": since_revision,
                "until_revision": job.revision,
                "since_index": since_index,
                "page": limit,
            }
            moves = connection.execute(_MOVES, since)
            page = min(limit, max(0, job.progress.chunks_published - since_index))
            chunks = connection.execute(CHUNK_PAGE, since | {"page": page})
            return News(
                job,
                tuple(Move(row.revision, row.to_state, row.at) for row in moves),
                tuple(chunk_of(row) for row in chunks),
            )
