"""One call reads a job by whatever way there is: each row once, in order, or an error."""

import asyncio
import dataclasses
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import duckdb
import pandas
import polars
import pyarrow as pa
import pytest

from staging_client import (
    ChecksumMismatch,
    Job,
    JobFailed,
    LinkRefused,
    ShortRead,
    read_described,
)
from staging_client.chunk import Chunk
from staging_client.prefetching import Room, read_ahead
from staging_client.routes import Routes
from tests.contract.reading.shelf import SCHEMA, rows
from tests.contract.reading.tap import Tap

TABLES = [rows(0, 3000), rows(3000, 500), rows(3500, 1500), rows(5000, 1)]
WHOLE = pa.concat_tables(TABLES)
NOWHERE = "grpc://127.0.0.1:1"


@pytest.fixture(scope="module")
def job_id(shelf) -> str:
    return shelf.stage(*TABLES)


@pytest.fixture
def routes_taken(monkeypatch) -> list[str]:
    """Names of the routes that gave a chunk, as they gave it."""
    taken: list[str] = []

    def noted(name: str) -> None:
        read = getattr(Chunk, name)

        def note(chunk: Chunk, *given: object) -> pa.Table:
            table = read(chunk, *given)
            taken.append(name)
            return table

        monkeypatch.setattr(Chunk, name, note)
        if name in ("read", "read_flight"):
            route = {"read": "link", "read_flight": "flight"}[name]
            monkeypatch.setitem(routes_of(), route, note)

    for name in ("read", "read_flight", "read_data"):
        noted(name)
    return taken


def routes_of() -> dict:
    from staging_client import routes

    return routes._ROUTES


def spoil(chunk: Chunk, **fields: object) -> Chunk:
    chunk.view = dataclasses.replace(chunk.view, **fields)
    return chunk


def test_a_job_is_read_as_a_stream_of_batches_in_the_order_of_its_chunks(
    client, job_id, routes_taken
):
    reader = client.job(job_id).read()

    assert reader.schema.equals(SCHEMA)
    assert reader.read_all().equals(WHOLE)
    assert routes_taken == ["read_flight"] * 4


def test_columns_and_a_start_are_kept_to(client, job_id):
    reader = client.job(job_id).read(start=2, columns=["note", "id"])

    assert reader.read_all().equals(WHOLE.slice(3500).select(["note", "id"]))


def test_an_empty_job_has_a_schema_and_no_rows(client, shelf):
    job_id = shelf.draft()
    shelf.plan(job_id, 1)
    shelf.publish(job_id)
    shelf.seal(job_id)

    assert client.job(job_id).read().read_all().equals(SCHEMA.empty_table())
    assert client.job(job_id).read(columns=["note"]).schema.names == ["note"]


def test_what_is_wrong_is_raised_while_it_is_iterated(client, shelf):
    job_id = shelf.stage(*TABLES)
    shelf.lose_chunk(job_id, 3)
    reader = client.job(job_id).read()

    with pytest.raises(ShortRead, match="4 chunks and 5001 rows; there are 3 and 5000"):
        reader.read_all()


def test_a_job_that_ends_without_its_data_is_raised_too(client, shelf):
    job_id = shelf.draft()
    shelf.plan(job_id, 2)
    shelf.publish(job_id, TABLES[0])
    job = client.job(job_id)
    reader = job.read()
    job.cancel()

    with pytest.raises(JobFailed):
        reader.read_all()


def _by_duckdb(job: object) -> pa.Table:
    found = job.read()  # noqa: F841 - DuckDB finds it by its name
    return duckdb.sql("SELECT * FROM found").to_arrow_table().cast(SCHEMA)


READERS = {
    "polars": lambda job: polars.DataFrame(job).to_arrow().cast(SCHEMA),
    "pandas": lambda job: pa.Table.from_pandas(
        pandas.DataFrame.from_arrow(job), SCHEMA, preserve_index=False
    ),
    "duckdb": _by_duckdb,
    "pyarrow": pa.table,
}


@pytest.mark.parametrize("library", READERS)
def test_anything_tabular_reads_a_job_without_an_adapter(client, job_id, library):
    assert READERS[library](client.job(job_id)).replace_schema_metadata().equals(WHOLE)


def test_anything_tabular_reads_a_chunk_without_an_adapter(client, job_id):
    [_, chunk, *_] = client.job(job_id).chunks()

    assert pa.table(chunk).equals(TABLES[1])


def test_batches_come_without_holding_up_the_event_loop(client, job_id):
    async def read() -> tuple[list[pa.RecordBatch], int]:
        turns = 0

        async def turn() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0.001)

        turning = asyncio.create_task(turn())
        batches = [batch async for batch in client.job(job_id).read_async()]
        turning.cancel()
        return batches, turns

    batches, turns = asyncio.run(read())

    assert pa.Table.from_batches(batches).equals(WHOLE)
    assert turns > 3


def test_without_flight_the_links_are_taken_and_flight_is_not_asked_each_time(
    client, job_id, routes_taken
):
    routes = Routes()
    began = time.monotonic()

    tables = [
        routes.read(spoil(chunk, locations=(NOWHERE,))) for chunk in client.job(job_id).chunks()
    ]

    assert pa.concat_tables(tables).equals(WHOLE)
    assert routes_taken == ["read"] * 4
    assert time.monotonic() - began < 30


def test_without_flight_and_store_the_service_gives_the_bytes(client, job_id, routes_taken):
    routes = Routes(["id"])
    cut_off = {"locations": (NOWHERE,), "url": "http://127.0.0.1:1/bucket/key"}

    tables = [routes.read(spoil(chunk, **cut_off)) for chunk in client.job(job_id).chunks()]

    assert pa.concat_tables(tables).equals(WHOLE.select(["id"]))
    assert routes_taken == ["read_data"] * 4


def test_a_route_that_fails_in_mid_job_costs_no_row(client, job_id, routes_taken):
    routes, tables = Routes(), []
    for chunk in client.job(job_id).chunks():
        if chunk.index >= 2:
            spoil(chunk, locations=(NOWHERE,))
        tables.append(routes.read(chunk))

    assert pa.concat_tables(tables).equals(WHOLE)
    assert routes_taken == ["read_flight"] * 2 + ["read"] * 2


@pytest.fixture
def tap(s3) -> Iterator[Tap]:
    """A way to the store that breaks off after some bytes."""
    tap = Tap(urlsplit(s3.endpoint).port)
    yield tap
    tap.close()


def through(tap: Tap, chunk: Chunk) -> Chunk:
    """Lead a chunk's link through a tap; it is signed for the host that is named."""
    url = urlsplit(chunk.view.url)
    tapped = url._replace(netloc=f"127.0.0.1:{tap.port}").geturl()
    return spoil(chunk, url=tapped, http_headers={"Host": url.netloc})


def test_a_download_that_breaks_off_goes_on_where_it_was(client, shelf, tap):
    table = rows(0, 60_000)
    [chunk] = client.job(shelf.stage(table)).chunks()
    size = chunk.view.byte_count
    tap.cut_after = size // 3

    assert through(tap, chunk).read().equals(table)
    assert tap.connections >= 3
    assert tap.given_bytes < 1.5 * size


def test_a_store_that_breaks_off_each_time_is_left_for_the_service(
    client, shelf, tap, routes_taken
):
    table = rows(0, 60_000)
    [chunk] = client.job(shelf.stage(table)).chunks()
    tap.cut_after = 1

    read = Routes().read(spoil(through(tap, chunk), locations=(NOWHERE,)))

    assert read.equals(table)
    assert routes_taken == ["read_data"]


def test_a_chunk_is_read_from_its_json_alone(shelf, api_url, job_id):
    import httpx2

    shown = httpx2.get(f"{api_url}/api/v1/staging/jobs/{job_id}/chunks").json()["chunks"]

    assert pa.concat_tables(map(read_described, shown)).equals(WHOLE)
    assert read_described(shown[1], ["note"]).equals(TABLES[1].select(["note"]))
    with pytest.raises(LinkRefused):
        read_described(shown[0] | {"url": shown[0]["url"] + "0"})
    with pytest.raises(ChecksumMismatch):
        read_described(shown[0] | {"sha256": "0" * 64})


def test_a_link_is_renewed_when_most_of_its_life_is_over(client, shelf):
    [chunk] = client.job(shelf.stage(TABLES[1], url_ttl_seconds=10)).chunks()
    young = chunk.view
    assert chunk.read().equals(TABLES[1])
    assert chunk.view == young

    time.sleep(8.1)

    assert chunk.read().equals(TABLES[1])
    assert chunk.view.url != young.url


def test_no_more_is_read_ahead_than_is_allowed(client, job_id):
    begun: list[int] = []

    def read(chunk: Chunk) -> pa.Table:
        begun.append(chunk.index)
        return chunk.read()

    sizes = [chunk.view.byte_count for chunk in client.job(job_id).chunks()]
    tables = read_ahead(client.job(job_id).chunks(), read, Room(sizes[0] + sizes[1]))
    first = next(tables)
    time.sleep(1)

    assert first.equals(TABLES[0])
    assert begun == [0, 1]
    assert pa.concat_tables([first, *tables]).equals(WHOLE)


def test_a_chunk_larger_than_what_may_be_read_ahead_is_read_alone(client, job_id):
    tables = list(read_ahead(client.job(job_id).chunks(), Chunk.read, Room(1)))

    assert pa.concat_tables(tables).equals(WHOLE)


def test_who_leaves_in_the_middle_stops_the_reading(client, job_id):
    begun: list[int] = []

    def read(chunk: Chunk) -> pa.Table:
        begun.append(chunk.index)
        return chunk.read()

    tables = read_ahead(client.job(job_id).chunks(), read, Room(1))
    next(tables)
    tables.close()
    time.sleep(0.5)

    assert begun == [0]


@pytest.fixture
def stalled(client, shelf) -> Iterator[Job]:
    """A job whose second chunk does not come."""
    job_id = shelf.draft()
    shelf.plan(job_id, 2)
    shelf.publish(job_id, TABLES[0])
    job = client.job(job_id)
    yield job
    job.cancel()


def reading_ahead() -> set[threading.Thread]:
    return {each for each in threading.enumerate() if each.name.startswith("read-ahead")}


def ends_soon(before: set[threading.Thread]) -> bool:
    """Tell whether what began to read ahead since then ends, though the job stands still."""
    deadline = time.monotonic() + 30
    while reading_ahead() - before and time.monotonic() < deadline:
        time.sleep(0.1)
    return not reading_ahead() - before


def test_who_drops_the_reader_of_a_stalled_job_ends_its_reading(stalled):
    before = reading_ahead()
    reader = stalled.read()
    assert reader.read_next_batch().num_rows > 0
    assert reading_ahead() - before

    del reader

    assert ends_soon(before)


@pytest.mark.parametrize("start", [0, 1], ids=["after a chunk", "before the first"])
def test_who_stops_waiting_for_a_stalled_job_gets_his_event_loop_back(stalled, start):
    before, rows_read = reading_ahead(), 0
    expected = 0 if start else TABLES[0].num_rows

    async def read() -> None:
        nonlocal rows_read
        async for batch in stalled.read_async(start):
            rows_read += batch.num_rows

    async def read_a_while() -> None:
        reading = asyncio.create_task(read())
        while rows_read < expected and not reading.done():
            await asyncio.sleep(0.1)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reading, 1)

    thread = threading.Thread(target=asyncio.run, args=(read_a_while(),))
    thread.start()
    thread.join(60)
    is_back = not thread.is_alive()
    is_over = ends_soon(before)
    stalled.cancel()
    thread.join()

    assert (is_back, is_over, rows_read) == (True, True, expected)
