"""What clients change of a job that is there: its TTL, its labels, its name."""

from datetime import datetime, timedelta
from typing import Any

from staging.catalog.database import Database
from staging.catalog.moves import lock_job, note_event, revise_job, whole_job
from staging.catalog.records import Requested
from staging.catalog.requests import clock_of, written_clock
from staging.catalog.rows import job_of
from staging.catalog.tables import Row
from staging.core.errors import StateConflict
from staging.core.jobs import ENDING, Amendment, allowed_actions


class Amending(Database):
    """Change what a job was accepted with."""

    def amend_job(
        self, org_id: int, job_id: str, amendment: Amendment, *, now: datetime
    ) -> Requested:
        """Change a job, with an event; nothing new when it is so already.

        A TTL counts from the job's creation, without its pauses; one that is over already ends
        the job at its workflow's next look.  Raises UnknownJob, StateConflict if the TTL of a
        job that ends, or has ended, were to change; then nothing else changes either.
        """
        with self._writing() as connection:
            lock_job(connection, job_id, org_id=org_id)
            job = whole_job(connection, job_id)
            changes = _changes(job, amendment)
            if changes:
                revise_job(connection, job, **changes)
                note_event(connection, job, job.state, now=now)
            return Requested(job_of(whole_job(connection, job_id)), is_new=bool(changes))


def _changes(job: Row, amendment: Amendment) -> dict[str, Any]:
    """Give the columns that differ."""
    changes: dict[str, Any] = {}
    if amendment.labels is not None and dict(amendment.labels) != job.labels:
        changes["labels"] = dict(amendment.labels)
    if amendment.is_renamed and amendment.name != job.name:
        changes["name"] = amendment.name
    if amendment.ttl_seconds not in (None, job.options["ttl_seconds"]):
        changes |= _with_ttl(job, amendment.ttl_seconds)
    return changes


def _with_ttl(job: Row, ttl_seconds: int) -> dict[str, Any]:
    if job.state in ENDING:
        allowed = allowed_actions(job.state)
        raise StateConflict(
            f"job {job.job_id} is {job.state}: its TTL cannot change any more;"
            f" possible: {', '.join(allowed)}",
            current_state=job.state,
            allowed=allowed,
        )
    longer = timedelta(seconds=ttl_seconds - job.options["ttl_seconds"])
    options = job.options | {"ttl_seconds": ttl_seconds}
    return {"options": options} | written_clock(clock_of(job).longer(longer))
