"""The client library against the real store and Flight: every byte, or an error."""

import dataclasses
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import flight

from staging.core.tickets import Ticket, sign_ticket
from staging_client import (
    ChecksumMismatch,
    DataGone,
    JobFailed,
    LinkRefused,
    ShortRead,
    Unavailable,
)
from staging_client.arrow_types import type_of
from tests.contract.reading.conftest import TICKET_KEY
from tests.contract.reading.shelf import SCHEMA, rows

FIRST, SECOND = rows(0, 3000), rows(3000, 500)


@pytest.fixture(scope="module")
def job_id(shelf) -> str:
    return shelf.stage(FIRST, SECOND)


def test_all_rows_are_read_by_link_and_by_ticket_in_the_order_of_the_chunks(client, job_id):
    whole = pa.concat_tables([FIRST, SECOND])

    assert client.job(job_id).read_links().equals(whole)
    assert client.job(job_id).read_flight().equals(whole)


def test_a_chunk_is_read_whole_or_in_part(client, job_id):
    one, two = client.job(job_id).chunks()

    assert (one.index, two.index, two.row_count) == (0, 1, 500)
    assert two.read().equals(SECOND)
    assert two.read(columns=["note"]).equals(SECOND.select(["note"]))
    assert two.read_flight().equals(SECOND)


def test_a_chunk_is_stored_through_the_service_where_no_link_leads_anywhere(
    client, shelf, tmp_path
):
    job = client.job(shelf.stage(FIRST))
    [chunk] = job.chunks()
    spoil(chunk, url="http://127.0.0.1:9/nowhere")

    assert pq.read_table(chunk.download_data(tmp_path / "one.parquet")).equals(FIRST)
    job.cancel()
    with pytest.raises(DataGone) as gone:
        chunk.download_data(tmp_path / "two.parquet")
    assert gone.value.reason == "cancelled"
    assert [path.name for path in tmp_path.iterdir()] == ["one.parquet"]


def test_chunks_can_be_taken_up_from_an_index(client, job_id):
    assert [chunk.index for chunk in client.job(job_id).chunks(start=1)] == [1]
    assert list(client.job(job_id).chunks(start=2)) == []


def test_chunks_are_given_as_they_appear_and_no_later(client, shelf):
    job_id = shelf.draft()
    shelf.plan(job_id, 3)
    given: list[tuple[int, int]] = []
    for chunk in client.job(job_id).chunks() if shelf.publish(job_id, FIRST) is None else ():
        published = shelf.catalog.job(1, job_id).progress.chunks_published
        given.append((chunk.index, published))
        if chunk.index < 2:
            shelf.publish(job_id, SECOND)
        else:
            shelf.seal(job_id)

    assert given == [(0, 1), (1, 2), (2, 3)]


def test_many_chunks_come_in_pages_without_gap_or_repetition(client, shelf):
    job_id = shelf.draft()
    shelf.plan(job_id, 1)
    shelf.publish_phantoms(job_id, 250)
    shelf.seal(job_id)

    assert [chunk.index for chunk in client.job(job_id).chunks()] == list(range(250))


def test_an_empty_job_is_read_as_a_table_with_its_schema(client, shelf):
    job_id = shelf.draft()
    shelf.plan(job_id, 1)
    shelf.publish(job_id)
    shelf.seal(job_id)

    assert client.job(job_id).read_links().equals(SCHEMA.empty_table())


@pytest.mark.parametrize(
    "data_type",
    [
        pa.int8(), pa.uint64(), pa.float16(), pa.float32(), pa.float64(), pa.bool_(), pa.string(),
        pa.large_string(), pa.binary(), pa.binary(16), pa.date32(), pa.time64("us"),
        pa.timestamp("us"), pa.timestamp("ns", "UTC"), pa.timestamp("ms", "+02:00"),
        pa.decimal128(38, 10), pa.decimal256(76, 0), pa.duration("us"),
        pa.month_day_nano_interval(), pa.list_(pa.int32()), pa.list_(pa.timestamp("us", "UTC")),
        pa.large_list(pa.list_(pa.string())), pa.list_(pa.field("element", pa.int64(), False)),
        pa.null(),
    ],
    ids=str,
)  # fmt: skip
def test_every_type_a_manifest_names_is_read_back(data_type):
    assert type_of(str(data_type)) == data_type


def test_a_downloaded_chunk_is_a_file_of_the_published_bytes_and_nothing_else(
    client, job_id, tmp_path
):
    [_, chunk] = client.job(job_id).chunks()

    path = chunk.download(tmp_path / "part.parquet")

    assert pq.read_table(path).equals(SECOND)
    assert path.stat().st_size == chunk.view.byte_count
    assert [each.name for each in tmp_path.iterdir()] == ["part.parquet"]


def test_a_link_that_is_over_is_refreshed_once(client, shelf):
    job_id = shelf.stage(SECOND, url_ttl_seconds=1)
    [chunk] = client.job(job_id).chunks()
    stale = chunk.view
    time.sleep(1.5)

    assert chunk.read().equals(SECOND)
    assert chunk.view.url != stale.url


def test_a_link_that_the_store_refuses_is_refreshed_once(client, job_id):
    [_, chunk] = client.job(job_id).chunks()
    spoil(chunk, url=chunk.view.url.replace("X-Amz-Signature=", "X-Amz-Signature=0"))

    assert chunk.read().equals(SECOND)


def test_a_new_link_that_is_refused_too_is_an_error(client, shelf):
    job_id = shelf.stage(SECOND)
    [chunk] = client.job(job_id).chunks()
    shelf.store.delete([shelf.catalog.chunk(1, job_id, "0").key])

    with pytest.raises(LinkRefused):
        chunk.read()


def test_a_ticket_that_is_over_is_renewed_once(client, shelf, job_id):
    [_, chunk] = client.job(job_id).chunks()
    past = datetime.now(UTC) - timedelta(seconds=1)
    over = sign_ticket(Ticket(1, job_id, chunk.view.chunk_id, past), TICKET_KEY.encode())
    spoil(chunk, ticket=over.decode())

    assert chunk.read_flight().equals(SECOND)


def test_other_bytes_than_were_published_are_never_given(client, shelf, tmp_path):
    job_id = shelf.stage(SECOND)
    [chunk] = client.job(job_id).chunks()
    stored = shelf.catalog.chunk(1, job_id, "0")
    shelf.store.delete([stored.key])
    shelf.put(stored.key, b"x" * stored.byte_count)

    with pytest.raises(ChecksumMismatch):
        chunk.read()
    with pytest.raises(ChecksumMismatch):
        chunk.download(tmp_path / "part.parquet")
    assert list(tmp_path.iterdir()) == []


def test_a_sealed_job_with_fewer_chunks_than_promised_is_an_error(client, shelf):
    job_id = shelf.stage(FIRST, SECOND)
    shelf.lose_chunk(job_id, 1)

    with pytest.raises(ShortRead, match="2 chunks and 3500 rows; there are 1 and 3000"):
        client.job(job_id).read_links()


def test_a_job_with_a_gap_in_its_chunks_is_an_error(client, shelf):
    job_id = shelf.stage(FIRST, SECOND)
    shelf.lose_chunk(job_id, 0)

    with pytest.raises(ShortRead, match="chunk 0 is missing"):
        client.job(job_id).read_links()


def test_a_chunk_with_other_rows_than_promised_is_an_error(client, job_id):
    [_, chunk] = client.job(job_id).chunks()
    spoil(chunk, row_count=499)

    with pytest.raises(ShortRead, match="has 500 rows, 499 were published"):
        chunk.read()
    with pytest.raises(ShortRead):
        chunk.read_flight()


def test_a_chunk_of_a_cancelled_job_is_gone(client, shelf):
    job = client.job(shelf.stage(SECOND))
    [chunk] = job.chunks()
    job.cancel()
    spoil(chunk, url=None)

    with pytest.raises(DataGone) as by_link:
        chunk.read()
    with pytest.raises(DataGone):
        chunk.read_flight()
    assert by_link.value.reason == "cancelled"


def test_a_job_that_fails_while_it_is_followed_raises(client, shelf):
    job_id = shelf.draft()
    shelf.plan(job_id, 2)
    shelf.publish(job_id, FIRST)
    chunks = client.job(job_id).chunks()
    assert next(chunks).index == 0
    cancel = threading.Timer(
        0.5, lambda: shelf.catalog.request_cancel(1, job_id, now=datetime.now(UTC))
    )
    cancel.start()

    with pytest.raises(JobFailed):
        next(chunks)
    cancel.join()


def test_flight_being_away_is_unavailable_after_the_patience(impatient, shelf, job_id):
    [_, chunk] = impatient.job(job_id).chunks()
    spoil(chunk, locations=("grpc://127.0.0.1:1",))

    with pytest.raises(Unavailable):
        chunk.read_flight()


def test_the_tickets_of_a_job_are_those_that_flight_itself_gives(client, reader, job_id):
    info = reader.get_flight_info(flight.FlightDescriptor.for_path(job_id))

    [one, _] = client.job(job_id).chunks()

    assert reader.do_get(flight.Ticket(one.view.ticket)).read_all().equals(FIRST)
    assert [each.uri.decode() for each in info.endpoints[0].locations] == list(one.view.locations)


def test_the_client_loads_nothing_but_http_and_arrow():
    code = (
        "import sys, staging_client; loaded = {name.split('.')[0] for name in sys.modules};"
        "print(sorted(loaded & {'staging', 'sqlalchemy', 'fastapi', 'pydantic', 'boto3', 'ray',"
        " 'temporalio', 'pandas', 'torch', 'rich', 'structlog'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/"
    )
    assert done.stdout == "[]\n"


def spoil(chunk, **fields: object) -> None:
    """Change what the client believes of a chunk."""
    chunk.view = dataclasses.replace(chunk.view, **fields)
