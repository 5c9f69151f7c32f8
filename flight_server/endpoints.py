"""Make the endpoint of a chunk: a signed ticket, where to use it, until when."""

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pyarrow as pa
from pyarrow import flight

from staging.core.chunks import Chunk
from staging.core.errors import BadTicket, InvalidValue
from staging.core.jobs import Job
from staging.core.retention import data_ends_at, link_expiry
from staging.core.tickets import Ticket, sign_ticket
from staging.core.wire import chunk_json


@dataclass(frozen=True, slots=True)
class Desk:
    """What signs tickets, the location at which they are taken, and what bounds their life."""

    key: bytes = field(repr=False)
    location: str
    purge_grace: timedelta

    def endpoint(
        self, job: Job, chunk: Chunk, columns: tuple[str, ...] | None, now: datetime
    ) -> flight.FlightEndpoint:
        """Give a new endpoint of the chunk; it lives as long as a link would."""
        asked = timedelta(seconds=job.options.url_ttl_seconds)
        # A ticket counts whole seconds: never promise more than it holds.
        until = link_expiry(now, asked, data_ends_at(job, self.purge_grace)).replace(microsecond=0)
        ticket = self._signed(Ticket(job.org_id, job.job_id, chunk.chunk_id, until, columns))
        shown = chunk_json(chunk, ticket.decode(), [self.location])
        return flight.FlightEndpoint(
            flight.Ticket(ticket),
            [self.location],
            pa.scalar(int(until.timestamp()) * 10**9, pa.timestamp("ns", "UTC")),
            json.dumps(shown, separators=(",", ":")),
        )

    def _signed(self, ticket: Ticket) -> bytes:
        try:
            return sign_ticket(ticket, self.key)
        except BadTicket as too_large:
            raise InvalidValue(too_large.detail) from None
