"""The actions: PollJob, ack, and the two standard ones."""

import json
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from pyarrow import flight

from flight_server.protobuf import NOT_CANCELLABLE, wrap
from staging.core.tickets import Ticket, sign_ticket
from staging.core.wire import job_json
from tests.contract.reading.conftest import TICKET_KEY
from tests.contract.reading.shelf import rows

TABLE = rows(0, 100)


def act(reader, action: str, body: object, options: flight.FlightCallOptions | None = None):
    given = body if isinstance(body, bytes) else json.dumps(body).encode()
    [result] = reader.do_action((action, given), options)
    return result.body.to_pybytes()


def ack(reader, **body: object) -> dict:
    return json.loads(act(reader, "ack", body))


def test_the_four_actions_are_listed(reader):
    assert [action.type for action in reader.list_actions()] == [
        "PollJob",
        "ack",
        "RenewFlightEndpoint",
        "CancelFlightInfo",
    ]


def test_polling_says_where_a_job_stands_in_the_contracts_words(reader, shelf):
    job_id = shelf.draft()
    shelf.plan(job_id, 2)
    shelf.publish(job_id, TABLE)
    job = shelf.catalog.job(1, job_id)

    polled = json.loads(act(reader, "PollJob", {"job_id": job_id}))
    assert polled == job_json(job)
    assert (polled["state"], polled["manifest"]["sealed"]) == ("running", False)
    assert polled["progress"]["fraction"] == 0.5


def test_an_ack_is_that_of_the_api_and_the_last_one_completes_the_job(reader, shelf):
    job_id = shelf.stage(TABLE, TABLE)
    chunks = shelf.catalog.chunks(1, job_id, since_index=0, limit=5)

    first = ack(reader, job_id=job_id, chunk_id=chunks[0].chunk_id, sha256=chunks[0].sha256)
    again = ack(reader, job_id=job_id, chunk_id=0, consumer="default")
    last = ack(reader, job_id=job_id, chunk_id="1")

    assert first == {
        "chunk_id": chunks[0].chunk_id,
        "chunk_index": 0,
        "acked_at": first["acked_at"],
        "job": {"chunks_acked": 1, "state": "staged"},
    }
    assert again == first
    assert last["job"] == {"chunks_acked": 2, "state": "completed"}


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"sha256": "0" * 64}, "checksum_mismatch"),
        ({"consumer": "nobody"}, "undeclared_consumer"),
        ({"consumer": ""}, "undeclared_consumer"),
        ({"consumer": 1}, "#/consumer"),
        ({"chunk_id": True}, "#/chunk_id"),
        ({"chunk_id": None}, "#/chunk_id"),
        ({"row": 1}, "#/row"),
    ],
)
def test_a_wrong_ack_is_invalid_and_acknowledges_nothing(reader, shelf, fields, code):
    job_id = shelf.stage(TABLE)

    with pytest.raises(pa.ArrowInvalid, match=code):
        ack(reader, **{"job_id": job_id, "chunk_id": 0} | fields)

    assert shelf.catalog.job(1, job_id).progress.chunks_acked == 0


def test_an_ack_that_comes_too_late_is_gone(reader, shelf):
    job_id = shelf.stage(TABLE)
    shelf.catalog.request_cancel(1, job_id, now=datetime.now(UTC))

    with pytest.raises(pa.ArrowKeyError, match="gone"):
        ack(reader, job_id=job_id, chunk_id=0)


def test_an_endpoint_is_renewed_for_the_same_chunk_and_columns(reader, shelf):
    job_id = shelf.stage(TABLE, url_ttl_seconds=60)
    chunk = shelf.catalog.chunk(1, job_id, "0")
    soon = datetime.now(UTC) + timedelta(seconds=5)
    old = sign_ticket(Ticket(1, job_id, chunk.chunk_id, soon, ("note",)), TICKET_KEY.encode())
    endpoint = flight.FlightEndpoint(flight.Ticket(old), [])

    body = act(reader, "RenewFlightEndpoint", wrap(endpoint.serialize()))
    renewed = flight.FlightEndpoint.deserialize(body)

    assert renewed.expiration_time.as_py() - datetime.now(UTC) > timedelta(seconds=50)
    assert reader.do_get(renewed.ticket).read_all().equals(TABLE.select(["note"]))


def test_only_the_bearer_of_a_valid_ticket_renews_it(reader, shelf, as_org):
    job_id = shelf.stage(TABLE)
    [endpoint] = reader.get_flight_info(flight.FlightDescriptor.for_path(job_id)).endpoints
    chunk_id = shelf.catalog.chunk(1, job_id, "0").chunk_id
    past = datetime.now(UTC) - timedelta(seconds=1)
    over = flight.FlightEndpoint(
        flight.Ticket(sign_ticket(Ticket(1, job_id, chunk_id, past), TICKET_KEY.encode())), []
    )

    with pytest.raises(flight.FlightUnauthorizedError, match="foreign_ticket"):
        act(reader, "RenewFlightEndpoint", wrap(endpoint.serialize()), as_org(2))
    with pytest.raises(flight.FlightUnauthenticatedError, match="expired_ticket"):
        act(reader, "RenewFlightEndpoint", wrap(over.serialize()))


def test_a_flight_is_not_cancellable(reader, shelf):
    info = reader.get_flight_info(flight.FlightDescriptor.for_path(shelf.stage(TABLE)))

    answer = act(reader, "CancelFlightInfo", wrap(info.serialize()))

    assert answer == NOT_CANCELLABLE == b"\x08\x03"


@pytest.mark.parametrize("action", ["RenewFlightEndpoint", "CancelFlightInfo"])
@pytest.mark.parametrize(
    "body",
    [b"", b"x", b"\x0a", b"\x0a\x05abc", b"\x0a\x03abcd", b"\x12\x01a", b"\x0a" + b"\xff" * 12],
)
def test_a_standard_action_with_another_body_is_invalid(reader, action, body):
    with pytest.raises(pa.ArrowInvalid, match="standard message"):
        act(reader, action, body)


def test_an_unknown_action_is_invalid(reader):
    with pytest.raises(pa.ArrowInvalid, match="there is no action 'Stop'"):
        act(reader, "Stop", b"")
