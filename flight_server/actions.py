"""The actions of the server, one function each, and the table that names them."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
from pyarrow import flight

from flight_server.protobuf import NOT_CANCELLABLE, unwrap
from flight_server.readable import check_readable
from flight_server.selection import check_known, read_object, required_text, text_field
from flight_server.wiring import Wiring
from staging.core.errors import ForeignTicket, InvalidValue
from staging.core.identity import Identity
from staging.core.tickets import open_ticket
from staging.core.wire import acknowledgement_json, job_json

_ACK_FIELDS = dict.fromkeys(("job_id", "chunk_id", "consumer", "sha256"))


@dataclass(frozen=True, slots=True)
class Call:
    """One action's call: who, when, and the body."""

    wiring: Wiring
    identity: Identity
    body: bytes
    now: datetime


@dataclass(frozen=True, slots=True)
class Action:
    """An action and what a listing says of it."""

    description: str
    run: Callable[[Call], bytes]


def poll_job(call: Call) -> bytes:
    """Answer the contract's job without chunks; raises UnknownJob."""
    body = read_object(call.body)
    check_known(body, {"job_id": None})
    job_id = required_text(body, "job_id")
    job = call.wiring.catalog.job(call.identity.org_id, job_id)
    return json.dumps(job_json(job)).encode()


def acknowledge(call: Call) -> bytes:
    """Acknowledge a chunk, named by its id or its index, as the API does."""
    body = read_object(call.body)
    check_known(body, _ACK_FIELDS)
    chunk_id = body.get("chunk_id")
    consumer = text_field(body, "consumer")
    is_index = isinstance(chunk_id, int) and not isinstance(chunk_id, bool)
    ack = call.wiring.catalog.acknowledge_chunk(
        call.identity.org_id,
        required_text(body, "job_id"),
        str(chunk_id) if is_index else required_text(body, "chunk_id"),
        consumer="default" if consumer is None else consumer,
        sha256=text_field(body, "sha256"),
        now=call.now,
    )
    return json.dumps(acknowledgement_json(ack), separators=(",", ":")).encode()


def renew_endpoint(call: Call) -> bytes:
    """Give the endpoint again with a new expiry; its ticket must still be valid."""
    endpoint = _parsed(flight.FlightEndpoint.deserialize, unwrap(call.body))
    wiring = call.wiring
    ticket = open_ticket(endpoint.ticket.ticket, wiring.keys, call.now)
    if call.identity.is_claimed and call.identity.org_id != ticket.org_id:
        raise ForeignTicket()
    job, chunk = wiring.catalog.job_and_chunk(ticket.org_id, ticket.job_id, ticket.chunk_id)
    check_readable(job, chunk, call.now, wiring.desk.purge_grace)
    renewed: bytes = wiring.desk.endpoint(job, chunk, ticket.columns, call.now).serialize()
    return renewed


def cancel_flight(call: Call) -> bytes:
    """Answer NOT_CANCELLABLE: a job is cancelled through the API, by its organisation."""
    _parsed(flight.FlightInfo.deserialize, unwrap(call.body))
    return NOT_CANCELLABLE


ACTIONS: Mapping[str, Action] = {
    "PollJob": Action('Say where a job stands; JSON {"job_id"}.', poll_job),
    "ack": Action(
        'Acknowledge a chunk; JSON {"job_id", "chunk_id", "consumer", "sha256"}.', acknowledge
    ),
    "RenewFlightEndpoint": Action("Extend an endpoint.", renew_endpoint),
    "CancelFlightInfo": Action(
        "Answer NOT_CANCELLABLE: jobs are cancelled by the API.", cancel_flight
    ),
}


def _parsed(read: Callable[[bytes], flight.FlightInfo], message: bytes) -> flight.FlightInfo:
    try:
        return read(message)
    except pa.ArrowException:
        raise InvalidValue("the action's body is not its standard message") from None
