"""Hand a chunk out: its link and its Flight ticket, for as long as its data is there."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from staging.core.chunks import Chunk
from staging.core.errors import Gone
from staging.core.jobs import Job
from staging.core.retention import data_ends_at, end_met, link_expiry
from staging.core.tickets import Ticket, sign_ticket
from staging.core.wire import chunk_json, instant
from staging.storage.links import Link, LinkSigner

_SHORTEST_LINK = timedelta(seconds=1)
"""What ends sooner is not handed out any more."""


@dataclass(frozen=True, slots=True)
class Handout:
    """Makes the contract's chunk JSON; whoever holds a link or a ticket can read the chunk."""

    links: LinkSigner
    ticket_key: bytes = field(repr=False)
    locations: tuple[str, ...]
    purge_grace: timedelta

    def page(self, job: Job, chunks: Sequence[Chunk], now: datetime) -> list[dict[str, Any]]:
        """Give the chunks of one job, with links of the job's own lifetime where readable."""
        asked = timedelta(seconds=job.options.url_ttl_seconds)
        readable = [
            chunk
            for chunk in chunks
            if end_met(job, chunk, now + _SHORTEST_LINK, self.purge_grace) is None
        ]
        links = self._sign(job, readable, asked, now)
        return [self._chunk(job, chunk, links.get(chunk.chunk_id)) for chunk in chunks]

    def fresh(
        self, job: Job, chunk: Chunk, asked: timedelta | None, now: datetime
    ) -> dict[str, Any]:
        """Give one chunk with a new link, of the job's own lifetime unless one is asked.

        Raises Gone if its data is gone or about to go.
        """
        self.check_there(job, chunk, now + _SHORTEST_LINK)
        lifetime = asked or timedelta(seconds=job.options.url_ttl_seconds)
        return self._chunk(job, chunk, self._sign(job, [chunk], lifetime, now)[chunk.chunk_id])

    def check_there(self, job: Job, chunk: Chunk, at: datetime) -> None:
        """Raise Gone if the chunk's data is, or by then will be, gone."""
        end = end_met(job, chunk, at, self.purge_grace)
        if end is not None:
            detail = f"chunk {chunk.chunk_index} of job {job.job_id} is gone: the job is {end}"
            raise Gone(detail, reason=end.value)

    def _sign(
        self, job: Job, chunks: Sequence[Chunk], asked: timedelta, now: datetime
    ) -> dict[str, Link]:
        if not chunks:
            return {}
        lifetime = link_expiry(now, asked, data_ends_at(job, self.purge_grace)) - now
        keys = [chunk.key for chunk in chunks]
        links = self.links.sign_many(keys, lifetime=lifetime, now=now)
        return {chunk.chunk_id: link for chunk, link in zip(chunks, links, strict=True)}

    def _chunk(self, job: Job, chunk: Chunk, link: Link | None) -> dict[str, Any]:
        ticket = None if link is None else self._ticket(job, chunk, link.expires_at)
        return {
            **chunk_json(chunk, ticket, self.locations),
            "url": None if link is None else link.url,
            "url_expires_at": None if link is None else instant(link.expires_at),
            "http_headers": {} if link is None else dict(link.headers),
        }

    def _ticket(self, job: Job, chunk: Chunk, expires_at: datetime) -> str:
        ticket = Ticket(job.org_id, job.job_id, chunk.chunk_id, expires_at)
        return sign_ticket(ticket, self.ticket_key).decode()
