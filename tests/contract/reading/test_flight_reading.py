"""Jobs as flights: description, order, totals, rows."""

import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from pyarrow import flight

from staging.core.contracts import FailureReport
from tests.contract.reading.shelf import SCHEMA, rows

FIRST, SECOND, THIRD = rows(0, 3000), rows(3000, 10), rows(3010, 2500)


@pytest.fixture(scope="module")
def job_id(shelf) -> str:
    return shelf.stage(FIRST, SECOND, THIRD)


def path(*parts: object) -> flight.FlightDescriptor:
    return flight.FlightDescriptor.for_path(*map(str, parts))


def command(**fields: object) -> flight.FlightDescriptor:
    return flight.FlightDescriptor.for_command(json.dumps(fields))


def read(reader, info) -> list[pa.Table]:
    return [reader.do_get(endpoint.ticket).read_all() for endpoint in info.endpoints]


def test_a_sealed_job_is_one_endpoint_a_chunk_in_order_with_its_totals(reader, shelf, job_id):
    info = reader.get_flight_info(path(job_id))

    chunks = shelf.catalog.chunks(1, job_id, since_index=0, limit=10)
    assert [
        table.equals(whole)
        for table, whole in zip(read(reader, info), [FIRST, SECOND, THIRD], strict=True)
    ] == [True] * 3
    assert (info.ordered, info.schema) == (True, SCHEMA)
    assert info.total_records == 5510
    assert info.total_bytes == sum(chunk.byte_count for chunk in chunks)


def test_an_endpoint_carries_the_chunk_of_the_contract_without_a_link(
    reader, shelf, job_id, location
):
    endpoint = reader.get_flight_info(path(job_id)).endpoints[1]

    shown = json.loads(endpoint.app_metadata)
    chunk = shelf.catalog.chunk(1, job_id, "1")
    assert shown == {
        "chunk_id": chunk.chunk_id,
        "chunk_index": 1,
        "partition_id": chunk.partition_id,
        "row_offset": 3000,
        "row_count": 10,
        "byte_count": chunk.byte_count,
        "sha256": chunk.sha256,
        "state": "available",
        "flight": {"ticket": endpoint.ticket.ticket.decode(), "locations": [location]},
        "acked_at": None,
    }
    assert [each.uri.decode() for each in endpoint.locations] == [location]


def test_a_ticket_is_taken_as_the_text_of_json_and_as_the_bytes_it_stands_for(reader, job_id):
    endpoint = reader.get_flight_info(path(job_id, 1)).endpoints[0]
    text = json.loads(endpoint.app_metadata)["flight"]["ticket"]

    for given in (text, base64.b64decode(text)):
        assert reader.do_get(flight.Ticket(given)).read_all().equals(SECOND)


def test_an_endpoint_expires_with_the_link_lifetime_of_the_job_or_its_data(reader, shelf):
    short = shelf.stage(SECOND, url_ttl_seconds=60)
    ending = shelf.stage(SECOND, url_ttl_seconds=3600, ttl_seconds=120)

    now = datetime.now(UTC)
    [one] = reader.get_flight_info(path(short)).endpoints
    [two] = reader.get_flight_info(path(ending)).endpoints

    assert timedelta(seconds=55) < one.expiration_time.as_py() - now <= timedelta(seconds=61)
    assert timedelta(seconds=110) < two.expiration_time.as_py() - now <= timedelta(seconds=121)


def test_one_chunk_is_a_flight_of_its_own_by_index_or_by_id(reader, shelf, job_id):
    chunk = shelf.catalog.chunk(1, job_id, "2")

    for ref in (2, chunk.chunk_id):
        info = reader.get_flight_info(path(job_id, ref))
        assert [table.equals(THIRD) for table in read(reader, info)] == [True]
        assert (info.total_records, info.total_bytes) == (2500, chunk.byte_count)


def test_a_command_narrows_columns_in_the_order_asked_and_the_chunks(reader, job_id):
    info = reader.get_flight_info(
        command(job_id=job_id, columns=["note", "id"], since_index=1, max_chunks=1)
    )

    assert info.schema == pa.schema([SCHEMA.field("note"), SCHEMA.field("id")])
    assert [table.equals(SECOND.select(["note", "id"])) for table in read(reader, info)] == [True]
    assert (info.total_records, info.total_bytes) == (10, -1)


def test_an_unsealed_job_shows_the_endpoints_so_far_and_no_totals(reader, shelf):
    job_id = shelf.draft()
    shelf.plan(job_id, 2)
    shelf.publish(job_id, FIRST, SECOND)

    info = reader.get_flight_info(path(job_id))

    assert [
        table.equals(whole)
        for table, whole in zip(read(reader, info), [FIRST, SECOND], strict=True)
    ] == [True] * 2
    assert (info.total_records, info.total_bytes) == (-1, -1)


def test_what_may_still_come_is_unavailable(reader, shelf):
    pending = shelf.draft()
    planned = shelf.draft()
    shelf.plan(planned, 1)

    with pytest.raises(flight.FlightUnavailableError, match="not_yet"):
        reader.get_flight_info(path(pending))
    with pytest.raises(flight.FlightUnavailableError, match="not_yet"):
        reader.get_flight_info(path(planned, 0))
    # pyarrow's get_schema makes an OSError of every Flight status, also of a real UNAVAILABLE.
    with pytest.raises(OSError, match=f"^not_yet: the schema of job {pending} is not there yet"):
        reader.get_schema(path(pending))


@pytest.mark.parametrize("end", ["failed", "cancelled"])
def test_what_cannot_come_any_more_is_not_found(reader, shelf, end):
    job_id, now = shelf.draft(), datetime.now(UTC)
    if end == "failed":
        shelf.catalog.fail_job(FailureReport(job_id, "source_auth", "refused"), now=now)
    else:
        shelf.catalog.request_cancel(1, job_id, now=now)

    calls = [
        lambda: reader.get_schema(path(job_id)),
        lambda: reader.get_flight_info(path(job_id)),
        lambda: reader.get_flight_info(path(job_id, 0)),
    ]
    for call in calls:
        with pytest.raises(pa.ArrowKeyError, match=f"gone: .*{job_id}.* is {end}"):
            call()


def test_an_empty_job_is_a_flight_without_endpoints(reader, shelf):
    job_id = shelf.draft()
    shelf.plan(job_id, 1)
    shelf.publish(job_id)
    shelf.seal(job_id)

    info = reader.get_flight_info(path(job_id))

    assert (info.endpoints, info.schema) == ([], SCHEMA)
    assert (info.total_records, info.total_bytes) == (0, 0)


def test_the_schema_is_told_without_reading(reader, job_id):
    assert reader.get_schema(path(job_id)).schema == SCHEMA
    narrowed = reader.get_schema(command(job_id=job_id, columns=["at"])).schema
    assert narrowed == pa.schema([SCHEMA.field("at")])


def test_the_jobs_of_the_organisation_are_listed_newest_first(reader, shelf, as_org):
    ids = [shelf.stage(SECOND, org_id=71), shelf.draft(71), shelf.stage(FIRST, org_id=72)]

    listed = list(reader.list_flights(options=as_org(71)))

    assert [info.descriptor.path[0].decode() for info in listed] == [ids[1], ids[0]]
    assert [(info.total_records, info.schema) for info in listed] == [(-1, None), (10, SCHEMA)]
    staged = list(reader.list_flights(b'{"state": "staged", "limit": 1}', as_org(71)))
    assert [info.descriptor.path[0].decode() for info in staged] == [ids[0]]


def test_a_job_of_ten_thousand_chunks_and_more_is_read_in_parts_only(reader, shelf):
    job_id = shelf.draft()
    shelf.plan(job_id, 1)
    shelf.publish_phantoms(job_id, 10_001)
    shelf.seal(job_id)

    with pytest.raises(pa.ArrowInvalid, match="max_chunks"):
        reader.get_flight_info(path(job_id))
    with pytest.raises(pa.ArrowInvalid, match="#/max_chunks"):
        reader.get_flight_info(command(job_id=job_id, max_chunks=10_001))
    assert len(reader.get_flight_info(command(job_id=job_id, since_index=1)).endpoints) == 10_000
    last = reader.get_flight_info(command(job_id=job_id, since_index=10_000, max_chunks=5))
    assert [json.loads(each.app_metadata)["chunk_index"] for each in last.endpoints] == [10_000]


def test_wide_rows_travel_in_batches_of_bounded_size(reader, shelf):
    table = pa.table(
        {"raw": pa.array([hashlib.sha256(b"%d" % n).digest() * 32768 for n in range(40)])}
    )
    job_id = shelf.stage(table)

    stream = reader.do_get(reader.get_flight_info(path(job_id)).endpoints[0].ticket)
    sizes = [part.data.nbytes for part in stream]

    assert sum(sizes) >= 40 * 2**20
    assert max(sizes) <= 17 * 2**20
