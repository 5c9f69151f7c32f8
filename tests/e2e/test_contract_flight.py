"""The Flight contract, as any client of Arrow Flight would check it."""

import base64
import io
import json
import re
import time
import uuid
from datetime import UTC, datetime

import httpx2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import flight

from tests.e2e.contract import CHUNK, MIB, ORDERS
from tests.e2e.service import Service

NOT_CANCELLABLE = b"\x08\x03"
"""`CancelFlightInfoResult` with the status CANCEL_STATUS_NOT_CANCELLABLE."""
NOT_FOUND = pa.ArrowKeyError


@pytest.fixture(scope="module")
def client(stack):
    with flight.connect(stack.flight_location) as connected:
        yield connected


@pytest.fixture(scope="module")
def staged(service):
    """A staged job of several chunks that the tests only read."""
    job_id = service.create(ORDERS, chunk_target_bytes=MIB)["job_id"]
    return service.until_state(job_id, "staged")


def calling(**headers):
    pairs = [(name.replace("_", "-").encode(), str(v).encode()) for name, v in headers.items()]
    return flight.FlightCallOptions(headers=pairs, timeout=30)


def path(*parts):
    return flight.FlightDescriptor.for_path(*(str(part) for part in parts))


def command(**fields):
    return flight.FlightDescriptor.for_command(json.dumps(fields))


def message(body):
    """The standard requests hold one submessage, field 1: write it as protobuf does."""
    length, prefix = len(body), b"\x0a"
    while length > 127:
        prefix, length = prefix + bytes([length & 127 | 128]), length >> 7
    return prefix + bytes([length]) + body


def act(client, name, body, **headers):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    (result,) = client.do_action(flight.Action(name, body), calling(**headers))
    return result.body.to_pybytes()


def test_a_whole_job_is_one_endpoint_a_chunk_in_order(client, stack, staged):
    info = client.get_flight_info(path(staged["job_id"]))

    assert (len(info.endpoints), info.ordered) == (len(staged["chunks"]), True)
    assert info.total_records == staged["manifest"]["row_count"]
    assert info.total_bytes == staged["manifest"]["byte_count"]
    for chunk, endpoint in zip(staged["chunks"], info.endpoints, strict=True):
        shown = json.loads(endpoint.app_metadata)
        assert CHUNK - set(shown) <= {"url", "url_expires_at", "http_headers"}
        assert "url" not in shown
        assert {k: shown[k] for k in shown if k != "flight"} == {
            k: chunk[k] for k in shown if k != "flight"
        }
        assert [str(place.uri, "utf-8") for place in endpoint.locations] == [stack.flight_location]
        assert endpoint.expiration_time.as_py() > datetime.now(UTC)
    names = [column["name"] for column in staged["manifest"]["schema"]]
    assert info.schema.names == client.get_schema(path(staged["job_id"])).schema.names == names


def test_the_ticket_of_the_chunk_json_reads_what_the_link_reads(client, stack, staged):
    chunk = staged["chunks"][1]
    assert chunk["flight"]["locations"] == [stack.flight_location]

    ticket = flight.Ticket(base64.b64decode(chunk["flight"]["ticket"]))
    by_flight = client.do_get(ticket).read_all()

    by_link = pq.read_table(io.BytesIO(httpx2.get(chunk["url"]).content))
    assert by_flight.schema == by_link.schema
    assert by_flight.equals(by_link)


def test_a_command_names_columns_and_a_range_of_chunks(client, staged):
    job_id = staged["job_id"]

    def indexes(descriptor):
        endpoints = client.get_flight_info(descriptor).endpoints
        return [json.loads(each.app_metadata)["chunk_index"] for each in endpoints]

    assert indexes(command(job_id=job_id)) == [c["chunk_index"] for c in staged["chunks"]]
    assert indexes(command(job_id=job_id, since_index=1, max_chunks=2)) == [1, 2]
    assert indexes(command(job_id=job_id, since_index=99)) == []
    assert indexes(path(job_id, 2)) == [2]
    one = client.get_flight_info(path(job_id, 2))
    assert (one.total_records, one.total_bytes) == (
        staged["chunks"][2]["row_count"],
        staged["chunks"][2]["byte_count"],
    )
    narrow = client.get_flight_info(command(job_id=job_id, columns=["price", "id"]))
    read = client.do_get(narrow.endpoints[0].ticket).read_all()
    assert narrow.schema.names == read.column_names == ["price", "id"]
    assert client.get_schema(command(job_id=job_id, columns=["note"])).schema.names == ["note"]


@pytest.mark.parametrize(
    "fields",
    [
        {"job_id": 7},
        {"columns": ["nothing"]},
        {"columns": []},
        {"columns": "id"},
        {"since_index": -1},
        {"since_index": "2"},
        {"max_chunks": 0},
        {"colour": "red"},
    ],
)
def test_a_command_that_is_not_valid_is_refused(client, staged, fields):
    with pytest.raises(pa.ArrowInvalid, match=r"invalid_value|unknown_column"):
        client.get_flight_info(command(**({"job_id": staged["job_id"]} | fields)))


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"[" * 50_000])
def test_a_command_that_is_no_json_object_is_refused(client, body):
    with pytest.raises(pa.ArrowInvalid):
        client.get_flight_info(flight.FlightDescriptor.for_command(body))


def test_unknown_and_foreign_jobs_are_not_found_alike(client, staged):
    def refusal(ask, job_id, **headers):
        with pytest.raises(NOT_FOUND) as caught:
            ask(job_id, calling(**headers))
        return str(caught.value).replace(job_id, "ID")

    for ask in (
        lambda job_id, options: client.get_flight_info(path(job_id), options),
        lambda job_id, options: client.get_flight_info(path(job_id, 0), options),
        lambda job_id, options: client.get_schema(path(job_id), options),
        lambda job_id, options: client.get_flight_info(command(job_id=job_id), options),
    ):
        foreign = refusal(ask, staged["job_id"], x_org_id=2)
        assert foreign == refusal(ask, str(uuid.uuid4()), x_org_id=2)
        assert foreign == refusal(ask, "nonsense", x_org_id=1)
    for action in ("PollJob", "ack"):
        body = {"job_id": staged["job_id"]} | ({"chunk_id": "0"} if action == "ack" else {})
        with pytest.raises(NOT_FOUND):
            act(client, action, body, x_org_id=2)


def test_a_ticket_is_enough_without_identity_and_refused_for_another(client, api_url):
    second = Service(api_url, org_id=2)
    job_id = second.create(ORDERS)["job_id"]
    chunk = second.until_state(job_id, "staged")["chunks"][0]
    ticket = flight.Ticket(base64.b64decode(chunk["flight"]["ticket"]))

    for options in (calling(), calling(x_org_id=2), calling(x_user_id="someone")):
        assert client.do_get(ticket, options).read_all().num_rows == chunk["row_count"]
    with pytest.raises(flight.FlightUnauthorizedError):
        client.do_get(ticket, calling(x_org_id=1)).read_all()
    listed = [json.loads(each.app_metadata) for each in client.list_flights()]
    assert {job["org_id"] for job in listed} == {1}
    theirs = client.list_flights(options=calling(x_org_id=2))
    assert job_id in [each.descriptor.path[0].decode() for each in theirs]


@pytest.mark.parametrize("org", ["0", "-1", "x", ""])
def test_a_malformed_identity_is_unauthenticated(client, staged, org):
    ticket = flight.Ticket(base64.b64decode(staged["chunks"][0]["flight"]["ticket"]))
    for call in (
        lambda options: client.get_flight_info(path(staged["job_id"]), options),
        lambda options: client.do_get(ticket, options).read_all(),
        lambda options: list(client.list_flights(options=options)),
    ):
        with pytest.raises(flight.FlightUnauthenticatedError, match="bad_identity"):
            call(calling(x_org_id=org))


def test_a_ticket_changed_in_any_way_is_unauthenticated(client, staged):
    good = base64.b64decode(staged["chunks"][0]["flight"]["ticket"])
    changed = [b"", b"x", good[:-1], good + b" ", good * 40]
    changed += [good[:n] + bytes([good[n] ^ 1]) + good[n + 1 :] for n in (0, 20, 60, -2)]
    for ticket in changed:
        with pytest.raises(flight.FlightUnauthenticatedError, match="bad_ticket"):
            client.do_get(flight.Ticket(ticket)).read_all()


def test_a_ticket_expires_and_a_living_one_is_renewed(client, service):
    job_id = service.create(ORDERS, url_ttl_seconds=6)["job_id"]
    service.until_state(job_id, "staged")
    narrow = client.get_flight_info(command(job_id=job_id, columns=["id"])).endpoints[0]
    time.sleep(1.2)

    renewed = act(client, "RenewFlightEndpoint", message(narrow.serialize()))

    endpoint = flight.FlightEndpoint.deserialize(renewed)
    assert endpoint.expiration_time.as_py() > narrow.expiration_time.as_py()
    assert client.do_get(endpoint.ticket).read_all().column_names == ["id"]
    time.sleep((endpoint.expiration_time.as_py() - datetime.now(UTC)).total_seconds() + 0.5)
    with pytest.raises(flight.FlightUnauthenticatedError, match="expired_ticket"):
        client.do_get(endpoint.ticket).read_all()


def test_actions_answer_as_the_standard_and_the_api_do(client, service):
    job_id = service.create(ORDERS)["job_id"]
    chunk = service.until_state(job_id, "staged")["chunks"][0]
    info = client.get_flight_info(path(job_id))

    offered = {action.type for action in client.list_actions()}
    assert offered >= {"RenewFlightEndpoint", "CancelFlightInfo", "PollJob", "ack"}
    assert act(client, "CancelFlightInfo", message(info.serialize())) == NOT_CANCELLABLE
    assert json.loads(act(client, "PollJob", {"job_id": job_id}))["state"] == "staged"
    with pytest.raises(pa.ArrowInvalid, match="checksum_mismatch"):
        act(client, "ack", {"job_id": job_id, "chunk_id": "0", "sha256": "0" * 64})
    by_flight = act(client, "ack", {"job_id": job_id, "chunk_id": chunk["chunk_id"]})
    assert json.loads(by_flight) == service.ack(job_id, chunk)
    with pytest.raises(pa.ArrowInvalid, match="no action"):
        act(client, "Delete", b"")


def test_nothing_is_written_by_flight(client, staged):
    schema = pa.schema([("id", pa.int64())])
    with pytest.raises(pa.ArrowNotImplementedError):
        client.do_put(path(staged["job_id"]), schema)[0].close()
    writer, reader = client.do_exchange(path(staged["job_id"]))
    with pytest.raises(pa.ArrowNotImplementedError):
        reader.read_all()
    with pytest.raises(pa.ArrowNotImplementedError):
        writer.close()


def test_a_job_being_read_offers_the_endpoints_so_far(client, service, slow_table):
    source = {"connection": "warehouse", "table": slow_table.name}
    job_id = service.create(source, chunk_target_bytes=MIB, parallelism=1)["job_id"]
    service.until(job_id, lambda job: job["progress"]["chunks_published"] >= 1)
    service.act(job_id, "pause")
    chunks = service.until_state(job_id, "paused")["chunks"]

    info = client.get_flight_info(path(job_id))

    assert (info.total_records, info.total_bytes, info.ordered) == (-1, -1, True)
    assert len(info.endpoints) == len(chunks)
    first = client.do_get(info.endpoints[0].ticket).read_all()
    assert first.num_rows == chunks[0]["row_count"]
    with pytest.raises(flight.FlightUnavailableError, match="not_yet"):
        client.get_flight_info(path(job_id, 99))

    service.http.delete(f"/jobs/{job_id}")
    gone = re.compile(f"gone: job {job_id} is cancelled")
    with pytest.raises(NOT_FOUND, match=gone):
        client.get_flight_info(path(job_id))
    with pytest.raises(NOT_FOUND, match=gone):
        client.do_get(info.endpoints[0].ticket).read_all()


def test_a_job_that_is_not_planned_says_not_yet_and_one_that_failed_is_not_found(client, service):
    waiting = service.create({"connection": "host_down", "table": "orders"})["job_id"]
    failed = service.create({"connection": "wrong_password", "table": "orders"})["job_id"]

    with pytest.raises(flight.FlightUnavailableError, match="not_yet"):
        client.get_flight_info(path(waiting))
    # pyarrow's get_schema makes an OSError of every Flight status, also of a real UNAVAILABLE.
    with pytest.raises(OSError, match=r"^not_yet") as told:
        client.get_schema(path(waiting))
    assert "Traceback" not in str(told.value)
    deadline = time.monotonic() + 60
    while service.job(failed)["state"] != "failed":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    for ask in (client.get_schema, client.get_flight_info):
        with pytest.raises(NOT_FOUND, match=f"gone: .*{failed}.* is failed"):
            ask(path(failed))
    service.http.delete(f"/jobs/{waiting}")


def test_half_a_surrogate_pair_is_answered_by_our_own_words(client):
    for action in ("PollJob", "ack"):
        with pytest.raises(pa.ArrowInvalid, match="half a surrogate pair") as told:
            act(client, action, b'{"job_id": "\\ud800"}')
        assert "codec" not in str(told.value)
    command_of_half = flight.FlightDescriptor.for_command(b'{"job_id": "\\ud800"}')
    with pytest.raises(pa.ArrowInvalid, match="half a surrogate pair"):
        client.get_flight_info(command_of_half)


def test_an_empty_job_has_a_schema_and_no_endpoint(client, service):
    job_id = service.create({"connection": "warehouse", "table": "nothing"})["job_id"]
    service.until_state(job_id, "staged")
    info = client.get_flight_info(path(job_id))
    assert (info.endpoints, info.total_records, info.total_bytes) == ([], 0, 0)
    assert info.schema.names == ["id", "name"]
