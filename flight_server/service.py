"""The Flight service: each method parses, asks, and translates."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NoReturn

import pyarrow as pa
from pyarrow import flight

from flight_server.actions import ACTIONS, Call
from flight_server.errors import Unimplemented, guarded, hide_stacks, without_flight_errors
from flight_server.flights import flight_of, job_schema, listed_flight, selected_chunks
from flight_server.identity import MIDDLEWARE, IdentityFactory, caller
from flight_server.metrics import TALLY, TallyFactory, tally_of
from flight_server.readable import check_readable
from flight_server.selection import read_criteria, read_descriptor
from flight_server.streams import Reader
from flight_server.wiring import Wiring
from staging.core.errors import ForeignTicket, Gone, InvalidValue, TooBusy
from staging.core.tickets import open_ticket
from staging.storage.slots import Slot


class FlightService(flight.FlightServerBase):  # type: ignore[misc]  # pyarrow has no stubs
    """Serves the chunks of the catalog; live as soon as it is built."""

    def __init__(self, listen: str, wiring: Wiring, tls: Mapping[str, Any]) -> None:
        hide_stacks()
        self._wiring = wiring
        # Arrow ends no middleware that began before another refused, so the tally comes last.
        identity = IdentityFactory(wiring.metrics.call_refused)
        middleware = {MIDDLEWARE: identity, TALLY: TallyFactory(wiring.metrics)}
        super().__init__(listen, middleware=middleware, **tls)

    @guarded
    def list_flights(
        self, context: flight.ServerCallContext, criteria: bytes
    ) -> list[flight.FlightInfo]:
        """List the organisation's jobs, newest first."""
        listing = read_criteria(criteria)
        jobs = self._wiring.catalog.list_jobs(
            caller(context).org_id,
            state=listing.state,
            label=None,
            before=listing.before,
            limit=listing.limit,
        )
        return [listed_flight(job) for job in jobs]

    @guarded
    def get_flight_info(
        self, context: flight.ServerCallContext, descriptor: flight.FlightDescriptor
    ) -> flight.FlightInfo:
        """Describe a job, some of its chunks, or one."""
        wanted = read_descriptor(descriptor)
        catalog = self._wiring.catalog
        job = catalog.job(caller(context).org_id, wanted.job_id)
        chunks = selected_chunks(catalog, job, wanted)
        return flight_of(job, chunks, wanted, self._wiring.desk, datetime.now(UTC))

    @without_flight_errors
    @guarded
    def get_schema(
        self, context: flight.ServerCallContext, descriptor: flight.FlightDescriptor
    ) -> flight.SchemaResult:
        """Give the schema that every chunk of the job has."""
        wanted = read_descriptor(descriptor)
        job = self._wiring.catalog.job(caller(context).org_id, wanted.job_id)
        return flight.SchemaResult(job_schema(job, wanted.columns))

    @guarded
    def do_get(
        self, context: flight.ServerCallContext, given: flight.Ticket
    ) -> flight.FlightDataStream:
        """Stream the chunk that a ticket names."""
        now, wiring, identity = datetime.now(UTC), self._wiring, caller(context)
        ticket = open_ticket(given.ticket, wiring.keys, now)
        tally_of(context).tell(job_id=ticket.job_id, chunk_id=ticket.chunk_id)
        if identity.is_claimed and identity.org_id != ticket.org_id:
            raise ForeignTicket()
        job, chunk = wiring.catalog.job_and_chunk(ticket.org_id, ticket.job_id, ticket.chunk_id)
        try:
            check_readable(job, chunk, now, wiring.desk.purge_grace)
        except Gone:
            wiring.streams.cache.drop(lambda portion: portion.chunk_id == chunk.chunk_id)
            raise
        with self._slot() as slot:
            reader = Reader(slot, tally_of(context), lambda: _check_wanted(context))
            return wiring.streams.open(job, chunk, ticket.columns, reader)

    def _slot(self) -> Slot:
        try:
            return self._wiring.slots.take()
        except TooBusy:
            self._wiring.metrics.refused.inc()
            raise

    @guarded
    def list_actions(self, context: flight.ServerCallContext) -> list[tuple[str, str]]:
        """List the actions."""
        del context
        return [(name, action.description) for name, action in ACTIONS.items()]

    @guarded
    def do_action(
        self, context: flight.ServerCallContext, action: flight.Action
    ) -> list[pa.Buffer]:
        """Run an action and give its one result."""
        if action.type not in ACTIONS:
            raise InvalidValue(f"there is no action {action.type!r}; list_actions names them")
        body = action.body.to_pybytes()
        call = Call(self._wiring, caller(context), body, datetime.now(UTC))
        return [pa.py_buffer(ACTIONS[action.type].run(call))]

    def do_put(self, *_: object) -> NoReturn:
        """Refuse: chunks are written by jobs only."""
        raise Unimplemented("this server only reads")

    def do_exchange(self, *_: object) -> NoReturn:
        """Refuse: chunks are written by jobs only."""
        raise Unimplemented("this server only reads")


def _check_wanted(context: flight.ServerCallContext) -> None:
    if context.is_cancelled():
        raise flight.FlightCancelledError("cancelled: the caller is gone")
