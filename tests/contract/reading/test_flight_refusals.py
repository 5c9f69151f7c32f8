"""What Flight refuses, with which code, and how little it says."""

import dataclasses
import json
import time
import uuid
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from pyarrow import flight

from staging.core.jobs import JobState
from staging.core.tickets import Ticket, sign_ticket
from tests.contract.reading.conftest import TICKET_KEY
from tests.contract.reading.shelf import PURGE_GRACE, rows

TABLE = rows(0, 100)
LONG = timedelta(hours=1)


@pytest.fixture(scope="module")
def job_id(shelf) -> str:
    return shelf.stage(TABLE)


@pytest.fixture(scope="module")
def good(shelf, job_id) -> Ticket:
    chunk = shelf.catalog.chunk(1, job_id, "0")
    return Ticket(1, job_id, chunk.chunk_id, datetime.now(UTC) + LONG)


def path(*parts: object) -> flight.FlightDescriptor:
    return flight.FlightDescriptor.for_path(*map(str, parts))


def signed(ticket: Ticket, key: str = TICKET_KEY) -> flight.Ticket:
    return flight.Ticket(sign_ticket(ticket, key.encode()))


def test_a_good_ticket_is_enough_when_the_call_names_no_identity(reader, shelf):
    job_id = shelf.stage(TABLE, org_id=9)
    chunk = shelf.catalog.chunk(9, job_id, "0")
    ticket = signed(Ticket(9, job_id, chunk.chunk_id, datetime.now(UTC) + LONG))

    assert reader.do_get(ticket).read_all().equals(TABLE)


def test_a_ticket_is_refused_when_the_call_names_another_organisation(reader, good, as_org):
    assert reader.do_get(signed(good), as_org(1)).read_all().equals(TABLE)
    with pytest.raises(flight.FlightUnauthorizedError, match="foreign_ticket"):
        reader.do_get(signed(good), as_org(2)).read_all()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda ticket: b"",
        lambda ticket: ticket[:-8],
        lambda ticket: ticket[:40],
        lambda ticket: b"AAAA" + ticket[4:],
        lambda ticket: ticket + b"AAAA",
        lambda ticket: b"\x00\xff" * 50,
        lambda ticket: b'{"org_id": 1}',
        lambda ticket: ticket * 40,
        lambda ticket: b"A" * 5000,
        lambda ticket: b"A" * 1_000_000,
    ],
    ids=[
        "empty",
        "truncated",
        "signature-only",
        "forged",
        "longer",
        "binary",
        "unsigned",
        "repeated",
        "oversized",
        "huge",
    ],
)
def test_a_ticket_that_was_not_signed_here_is_unauthenticated(reader, good, spoil):
    given = spoil(sign_ticket(good, TICKET_KEY.encode()))

    with pytest.raises(flight.FlightUnauthenticatedError, match="bad_ticket"):
        reader.do_get(flight.Ticket(given)).read_all()


def test_a_ticket_of_another_key_is_unauthenticated(reader, good):
    with pytest.raises(flight.FlightUnauthenticatedError, match="bad_ticket"):
        reader.do_get(signed(good, key="another key")).read_all()


def test_an_expired_ticket_is_unauthenticated(reader, good):
    over = dataclasses.replace(good, expires_at=datetime.now(UTC) - timedelta(seconds=1))

    with pytest.raises(flight.FlightUnauthenticatedError, match="expired_ticket"):
        reader.do_get(signed(over)).read_all()


def test_a_ticket_for_what_is_not_there_is_not_found(reader, good):
    for field, value in (("job_id", str(uuid.uuid4())), ("chunk_id", str(uuid.uuid4()))):
        with pytest.raises(pa.ArrowKeyError, match="not_found"):
            reader.do_get(signed(dataclasses.replace(good, **{field: value}))).read_all()
    with pytest.raises(pa.ArrowInvalid, match="unknown_column"):
        reader.do_get(signed(dataclasses.replace(good, columns=("nothing",)))).read_all()


@pytest.mark.parametrize("org", ["0", "-1", "1.5", "one", "", "007", "1 2", "9" * 30])
def test_a_malformed_organisation_is_unauthenticated_on_every_call(reader, job_id, good, org):
    options = flight.FlightCallOptions(headers=[(b"x-org-id", org.encode())])

    _refused_on_every_call(reader, job_id, good, options)


def test_a_malformed_user_or_two_organisations_are_unauthenticated(reader, job_id, good):
    for headers in ([(b"x-user-id", b"u" * 129)], [(b"x-org-id", b"1"), (b"x-org-id", b"2")]):
        _refused_on_every_call(reader, job_id, good, flight.FlightCallOptions(headers=headers))


def _refused_on_every_call(reader, job_id, good, options):
    calls = [
        lambda: reader.get_flight_info(path(job_id), options),
        lambda: reader.get_schema(path(job_id), options),
        lambda: list(reader.list_flights(options=options)),
        lambda: reader.list_actions(options),
        lambda: list(reader.do_action(("PollJob", b"{}"), options)),
        lambda: reader.do_get(signed(good), options).read_all(),
    ]
    for call in calls:
        # pyarrow gives get_schema's failures as OSError: it reads no Flight status there.
        with pytest.raises((flight.FlightUnauthenticatedError, OSError), match="bad_identity"):
            call()


def test_another_organisations_job_looks_like_an_unknown_one(reader, shelf, as_org):
    job_id, unknown = shelf.stage(TABLE, org_id=3), str(uuid.uuid4())
    texts = []
    for wanted in (job_id, unknown):
        calls = [
            lambda wanted=wanted: reader.get_flight_info(path(wanted), as_org(4)),
            lambda wanted=wanted: reader.get_flight_info(path(wanted, 0), as_org(4)),
            lambda wanted=wanted: reader.get_schema(path(wanted), as_org(4)),
            lambda wanted=wanted: act(reader, "PollJob", {"job_id": wanted}, as_org(4)),
            lambda wanted=wanted: act(
                reader, "ack", {"job_id": wanted, "chunk_id": "0"}, as_org(4)
            ),
        ]
        for call in calls:
            with pytest.raises(pa.ArrowKeyError) as refused:
                call()
            texts.append(str(refused.value).replace(wanted, "ID"))

    assert texts[:5] == texts[5:]
    assert set(texts) == {"not_found: there is no job ID. Detail: Python exception: NotFound"}


@pytest.mark.parametrize("malformed", ["", "no-uuid", "../../etc/passwd", "é" * 400, "%00"])
def test_a_malformed_job_id_is_an_unknown_one(reader, malformed):
    with pytest.raises(pa.ArrowKeyError, match="not_found"):
        reader.get_flight_info(path(malformed))


@pytest.mark.parametrize("ref", ["1", "-1", "99999999999999999999", "x", str(uuid.UUID(int=1))])
def test_a_chunk_that_a_sealed_job_lacks_is_not_found(reader, job_id, ref):
    with pytest.raises(pa.ArrowKeyError, match="not_found"):
        reader.get_flight_info(path(job_id, ref))


@pytest.mark.parametrize(
    ("command", "place"),
    [
        (b"not json", "JSON object"),
        (b"[1]", "JSON object"),
        (b"\xff\xfe", "JSON object"),
        (b"[" * 100_000, "JSON object"),
        (b"{}", "#/job_id"),
        (b'{"job_id": 7}', "#/job_id"),
        (b'{"job_id": "x", "rows": 1}', "#/rows"),
        (b'{"job_id": "x", "since_index": -1}', "#/since_index"),
        (b'{"job_id": "x", "since_index": true}', "#/since_index"),
        (b'{"job_id": "x", "max_chunks": 0}', "#/max_chunks"),
        (b'{"job_id": "x", "columns": []}', "#/columns"),
        (b'{"job_id": "x", "columns": "id"}', "#/columns"),
        (b'{"job_id": "x", "columns": ["id", "id"]}', "#/columns"),
    ],
)
def test_a_malformed_command_is_invalid_and_the_place_is_named(reader, command, place):
    with pytest.raises(pa.ArrowInvalid, match=place):
        reader.get_flight_info(flight.FlightDescriptor.for_command(command))


def test_unknown_columns_are_invalid(reader, job_id):
    wanted = {"job_id": job_id, "columns": ["id", "pric"]}

    with pytest.raises(pa.ArrowInvalid, match=r"unknown_column: #/columns.*'pric'"):
        reader.get_flight_info(flight.FlightDescriptor.for_command(json.dumps(wanted)))


def test_more_columns_than_a_ticket_holds_are_invalid(reader, shelf):
    wide = pa.table({f"a_rather_long_column_name_{n}": [n] for n in range(300)})
    wanted = {"job_id": shelf.stage(wide), "columns": wide.column_names}

    with pytest.raises(pa.ArrowInvalid, match="too many columns"):
        reader.get_flight_info(flight.FlightDescriptor.for_command(json.dumps(wanted)))


@pytest.mark.parametrize("parts", [(), ("a", "b", "c")])
def test_a_path_of_another_length_is_invalid(reader, parts):
    with pytest.raises(pa.ArrowInvalid, match="invalid_value"):
        reader.get_flight_info(flight.FlightDescriptor.for_path(*parts))


def end_as(shelf, job_id: str, state: JobState) -> None:
    now = datetime.now(UTC)
    if state is JobState.EXPIRED:
        assert shelf.catalog.expire_job(job_id, now=now + timedelta(days=2))
        return
    shelf.catalog.request_cancel(1, job_id, now=now)
    if state is JobState.CANCELLED:
        shelf.catalog.finish_cancel(job_id, now=now)


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (JobState.CANCELLING, "cancelled"),
        (JobState.CANCELLED, "cancelled"),
        (JobState.EXPIRED, "expired"),
    ],
)
def test_the_chunks_of_an_ended_job_are_gone_also_by_old_tickets(reader, shelf, state, reason):
    job_id = shelf.stage(TABLE)
    [endpoint] = reader.get_flight_info(path(job_id)).endpoints
    end_as(shelf, job_id, state)

    for call in (
        lambda: reader.get_flight_info(path(job_id)),
        lambda: reader.do_get(endpoint.ticket).read_all(),
    ):
        with pytest.raises(pa.ArrowKeyError, match=f"gone: job {job_id} is {reason}"):
            call()


def test_a_job_past_its_ttl_is_gone_before_anyone_has_written_that_down(reader, shelf):
    job_id = shelf.draft(ttl_seconds=1)
    shelf.plan(job_id, 1)
    shelf.publish(job_id, TABLE)
    time.sleep(1.2)

    with pytest.raises(pa.ArrowKeyError, match=r"gone: .* expired"):
        reader.get_flight_info(path(job_id))


def test_a_completed_jobs_chunks_are_read_until_they_are_deleted(reader, shelf):
    job_id = shelf.stage(TABLE)
    act(reader, "ack", {"job_id": job_id, "chunk_id": "0"})
    [endpoint] = reader.get_flight_info(path(job_id)).endpoints

    left = endpoint.expiration_time.as_py() - datetime.now(UTC)
    assert timedelta(0) < left <= PURGE_GRACE
    assert reader.do_get(endpoint.ticket).read_all().equals(TABLE)
    chunk = shelf.catalog.chunk(1, job_id, "0")
    shelf.catalog.mark_deleted(job_id, [chunk.chunk_id], now=datetime.now(UTC))
    with pytest.raises(pa.ArrowKeyError, match="gone"):
        reader.do_get(endpoint.ticket).read_all()


def test_an_object_that_is_missing_is_gone(reader, shelf):
    job_id = shelf.stage(TABLE)
    [endpoint] = reader.get_flight_info(path(job_id)).endpoints
    shelf.store.delete([shelf.catalog.chunk(1, job_id, "0").key])

    with pytest.raises(pa.ArrowKeyError, match="gone"):
        reader.do_get(endpoint.ticket).read_all()


def test_an_object_that_was_changed_is_not_handed_out_and_nothing_is_said(reader, shelf):
    job_id = shelf.stage(TABLE)
    chunk = shelf.catalog.chunk(1, job_id, "0")
    [endpoint] = reader.get_flight_info(path(job_id)).endpoints
    shelf.store.delete([chunk.key])
    shelf.put(chunk.key, b"x" * chunk.byte_count)

    with pytest.raises(flight.FlightInternalError) as refused:
        reader.do_get(endpoint.ticket).read_all()

    assert str(refused.value).startswith("internal: the Flight server failed; its log says why")
    _says_nothing(str(refused.value))


@pytest.mark.parametrize("letter", ["x", "é", "語", "😀"])
def test_a_long_text_of_the_caller_is_not_repeated_whole(reader, job_id, letter):
    long = letter * 20_000
    ack = {"job_id": job_id, "chunk_id": "0", "consumer": long}
    wanted = json.dumps({"job_id": job_id, "columns": [long]})
    calls = {
        "not_found: there is no job": lambda: reader.get_flight_info(path(long)),
        "not_found": lambda: reader.get_flight_info(path(job_id, long)),
        "undeclared_consumer": lambda: act(reader, "ack", ack),
        "invalid_value: #/": lambda: act(reader, "ack", ack | {long: 1}),
        "invalid_value: there is no action": lambda: act(reader, long, {}),
        "unknown_column: #/columns": lambda: reader.get_flight_info(
            flight.FlightDescriptor.for_command(wanted)
        ),
    }
    for said, call in calls.items():
        with pytest.raises((pa.ArrowKeyError, pa.ArrowInvalid), match=f"^{said}") as refused:
            call()
        assert len(str(refused.value)) < 1_200


def test_no_refusal_shows_the_servers_code(reader, shelf, good):
    calls = [
        lambda: reader.get_flight_info(path(uuid.uuid4())),
        lambda: reader.get_flight_info(flight.FlightDescriptor.for_command(b"{")),
        lambda: reader.do_get(signed(dataclasses.replace(good, job_id="x"))).read_all(),
        lambda: reader.do_get(flight.Ticket(b"\xff")).read_all(),
        lambda: list(reader.do_action(("nothing", b""))),
        lambda: list(reader.do_action(("ack", b"{"))),
        lambda: list(reader.do_action(("RenewFlightEndpoint", b"\x0a\xff\xff\xff\xff\xff"))),
        lambda: list(reader.list_flights(b"{")),
        lambda: reader.get_schema(path(uuid.uuid4())),
        lambda: reader.get_schema(path(shelf.draft())),
        lambda: list(reader.do_action(("PollJob", b'{"job_id": "\\ud800"}'))),
        reader.do_put(path("x"), pa.schema([]))[0].close,
        reader.do_exchange(path("x"))[0].close,
    ]
    for call in calls:
        with pytest.raises((pa.ArrowException, OSError)) as refused:
            call()
        _says_nothing(str(refused.value))


def _says_nothing(text: str) -> None:
    for inside in ("Traceback", "File ", ".py", "sqlalchemy", "boto", "127.0.0.1:8333"):
        assert inside not in text


def act(reader, action: str, body: dict, options: flight.FlightCallOptions | None = None) -> dict:
    [result] = reader.do_action((action, json.dumps(body).encode()), options)
    return json.loads(result.body.to_pybytes())
