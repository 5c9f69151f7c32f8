"""What fails while Flight streams: the stream ends whole, or with a clear error."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow as pa
import pytest
from pyarrow import flight

from staging.local.ports import free_port
from staging_client import ChecksumMismatch, FlightFailed, tickets
from staging_client.chunk import Chunk
from staging_client.routes import Routes
from tests.contract.reading.narrow import connect
from tests.contract.reading.servers import Server, answers, start
from tests.contract.reading.shelf import Shelf, parquet, rows
from tests.contract.reading.tap import Tap

BIG = pa.concat_tables([rows(n, 50_000) for n in range(0, 200_000, 50_000)] * 4).combine_chunks()
NUMBERS = pa.table({"id": pa.array(range(20_000), pa.int64())})


@dataclass(frozen=True)
class Led:
    """A Flight server that reaches the store through a tap, and is reached through another."""

    server: Server
    store: Tap
    flight: Tap
    log: Path

    def connect(self) -> flight.FlightClient:
        return connect(f"grpc://127.0.0.1:{self.flight.port}")

    def lead(self, chunk: Chunk) -> Chunk:
        chunk.view = replace(chunk.view, locations=(f"grpc://127.0.0.1:{self.flight.port}",))
        return chunk


@pytest.fixture
def led(environment, s3, tmp_path) -> Iterator[Led]:
    port = free_port()
    store, way = Tap(urlsplit(s3.endpoint).port or 0), Tap(port)
    own = {
        "STAGING_FLIGHT_PORT": str(port),
        "STAGING_FLIGHT_CACHE_DIR": str(tmp_path / "cache"),
        "STAGING_S3_ENDPOINT": f"http://127.0.0.1:{store.port}",
    }
    server = start("flight_server", {**environment, **own}, tmp_path / "log")
    server.until(lambda: answers(port))
    yield Led(server, store, way, tmp_path / "log")
    store.flows.set()
    server.stop()
    for each in (store, way):
        each.close()


def ticket_of(client: flight.FlightClient, job_id: str) -> flight.Ticket:
    return client.get_flight_info(flight.FlightDescriptor.for_path(job_id)).endpoints[0].ticket


def read_apart(stream: flight.FlightStreamReader) -> tuple[list[pa.RecordBatch], Exception | None]:
    """Read to the end, whole or not."""
    batches: list[pa.RecordBatch] = []
    try:
        for part in stream:
            batches.append(part.data)
    except (pa.ArrowException, OSError) as failed:
        return batches, failed
    return batches, None


def assert_prefix(batches: list[pa.RecordBatch], table: pa.Table) -> None:
    found = pa.Table.from_batches(batches, table.schema)
    assert found.num_rows < table.num_rows
    assert found.equals(table.slice(0, found.num_rows))


def size_of(shelf: Shelf, job_id: str) -> int:
    return shelf.catalog.chunk(1, job_id, "0").byte_count


def test_rows_are_given_while_the_object_is_still_on_its_way(led, shelf):
    job_id = shelf.stage(BIG)
    led.store.hold_after = size_of(shelf, job_id) // 2
    with led.connect() as client:
        stream = client.do_get(ticket_of(client, job_id))
        first = stream.read_chunk().data
        assert led.store.open == 1
        led.store.flows.set()

        assert pa.concat_tables([pa.Table.from_batches([first]), stream.read_all()]).equals(BIG)


def test_a_store_that_goes_in_mid_decode_is_unavailable_and_no_row_is_wrong(led, shelf):
    job_id = shelf.stage(BIG)
    led.store.hold_after = size_of(shelf, job_id) // 2
    with led.connect() as client:
        ticket = ticket_of(client, job_id)
        stream = client.do_get(ticket)
        first = stream.read_chunk().data
        led.store.cut_after = led.store.hold_after
        led.store.flows.set()

        batches, failed = read_apart(stream)

        assert isinstance(failed, flight.FlightUnavailableError)
        assert "storage_unavailable: The object store does not answer." in str(failed)
        assert_prefix([first, *batches], BIG)
        led.store.cut_after = None
        assert client.do_get(ticket).read_all().equals(BIG)
    assert "Traceback" not in led.log.read_text()


def test_streams_that_failed_hold_no_file_and_no_slot(led, shelf):
    tickets = []
    with led.connect() as client:
        for first in range(4):
            job_id = shelf.stage(rows(first, 50_000))
            tickets.append(ticket_of(client, job_id))
            led.store.cut_after = size_of(shelf, job_id) // 2
            with pytest.raises(flight.FlightUnavailableError):
                client.do_get(tickets[-1]).read_all()
        led.store.cut_after = None
        deadline = time.monotonic() + 30
        while held := kept_files(led.server.process.pid):
            assert time.monotonic() < deadline, held
            time.sleep(0.2)

        streams = [client.do_get(ticket) for ticket in tickets]

        assert [stream.read_all().num_rows for stream in streams] == [50_000] * 4


def kept_files(pid: int) -> list[str]:
    """Name the open files that chunks were fetched or decoded into."""
    names = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            names.append(os.readlink(link))
    return [name for name in names if "(deleted)" in name or ".part" in name]


def test_a_caller_who_gives_up_before_the_first_row_frees_his_stream(led, shelf):
    tickets = [shelf.stage(BIG) for _ in range(4)]
    led.store.hold_after = 1
    hurried = flight.FlightCallOptions(timeout=0.5)
    with led.connect() as client:
        for job_id in tickets:
            with pytest.raises(flight.FlightTimedOutError):
                client.do_get(ticket_of(client, job_id), hurried).read_all()
        led.store.flows.set()

        deadline = time.monotonic() + 60
        while True:
            try:
                read = client.do_get(ticket_of(client, tickets[0])).read_all()
                break
            except flight.FlightUnavailableError:
                assert time.monotonic() < deadline
                time.sleep(0.1)
    assert read.equals(BIG)


def flipped(body: bytes) -> bytes:
    """Change one bit in the middle, where pages are."""
    middle = len(body) // 2
    return body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]


def other_rows(body: bytes) -> bytes:
    """Make a good file of as many bytes whose rows are others."""
    others = (
        pa.table({"id": range(first, first + 20_000)}, NUMBERS.schema) for first in range(1, 99)
    )
    return next(made for made in map(parquet, others) if len(made) == len(body))


@pytest.mark.parametrize("harm", [flipped, other_rows])
def test_a_damaged_object_is_never_read_to_its_end_nor_kept(led, shelf, tmp_path, harm):
    job_id = shelf.stage(NUMBERS)
    chunk = shelf.catalog.chunk(1, job_id, "0")
    shelf.store.delete([chunk.key])
    shelf.put(chunk.key, harm(parquet(NUMBERS)))
    with led.connect() as client:
        for _ in range(2):
            try:
                batches, failed = read_apart(client.do_get(ticket_of(client, job_id)))
            except flight.FlightInternalError as refused:
                batches, failed = [], refused

            assert isinstance(failed, flight.FlightInternalError)
            assert sum(each.num_rows for each in batches) < NUMBERS.num_rows
            if harm is flipped:
                assert_prefix(batches, NUMBERS)
    assert list((tmp_path / "cache").iterdir()) == []


def test_flight_killed_in_mid_stream_is_an_error_and_never_a_short_stream(led, shelf):
    job_id = shelf.stage(BIG)
    with led.connect() as client:
        stream = client.do_get(ticket_of(client, job_id))
        first = stream.read_chunk().data

        led.server.process.kill()
        batches, failed = read_apart(stream)

    assert isinstance(failed, flight.FlightUnavailableError)
    assert_prefix([first, *batches], BIG)


def test_our_client_reads_by_link_what_flight_breaks_off_in_mid_stream(led, client, shelf):
    job = client.job(shelf.stage(BIG))
    led.flight.cut_after = BIG.nbytes // 4

    tables = [Routes().read(led.lead(chunk)) for chunk in job.chunks()]

    assert pa.concat_tables(tables).equals(BIG)
    assert led.flight.given_bytes >= BIG.nbytes // 4


@pytest.fixture
def soon_suspicious(monkeypatch) -> None:
    """Ask a silent Flight server for a sign of life after 1 s, and wait 1 s for it."""
    short = {"grpc.keepalive_time_ms": 1000, "grpc.http2.ping_timeout_ms": 1000}
    monkeypatch.setattr(tickets, "_SILENCE", [*(dict(tickets._SILENCE) | short).items()])


def test_our_client_reads_by_link_what_flight_falls_silent_over_in_mid_stream(
    led, client, shelf, soon_suspicious
):
    [chunk] = client.job(shelf.stage(BIG)).chunks()
    led.flight.hold_after = BIG.nbytes // 4

    assert Routes().read(led.lead(chunk)).equals(BIG)
    assert led.flight.connections >= 1


def test_our_client_reads_by_link_what_a_stopped_flight_server_does_not_begin(
    led, client, shelf, soon_suspicious
):
    tables = [rows(0, 3000), rows(3000, 3000)]
    first, second = client.job(shelf.stage(*tables)).chunks()
    assert led.lead(first).read_flight().equals(tables[0])
    led.server.process.send_signal(signal.SIGSTOP)
    try:
        assert Routes().read(led.lead(second)).equals(tables[1])
    finally:
        led.server.process.send_signal(signal.SIGCONT)


def test_our_client_reads_by_link_what_flight_fails_inside_over(
    environment, client, shelf, tmp_path
):
    job_id, port = shelf.stage(NUMBERS), free_port()
    own = {"STAGING_FLIGHT_PORT": str(port), "STAGING_FLIGHT_CACHE_DIR": str(tmp_path / "cache")}
    keys = {"AWS_SECRET_ACCESS_KEY": "not what the store knows"}
    server = start("flight_server", {**environment, **own, **keys}, tmp_path / "log")
    server.until(lambda: answers(port))
    [chunk] = client.job(job_id).chunks()
    chunk.view = replace(chunk.view, locations=(f"grpc://127.0.0.1:{port}",))

    with pytest.raises(FlightFailed, match="internal"):
        chunk.read_flight()
    assert Routes().read(chunk).equals(NUMBERS)
    server.stop()


def test_our_client_finds_an_object_damaged_by_whatever_way_it_reads(impatient, shelf):
    [chunk] = impatient.job(shelf.stage(NUMBERS)).chunks()
    stored = shelf.catalog.chunk(1, chunk.job_id, "0")
    shelf.store.delete([stored.key])
    shelf.put(stored.key, flipped(parquet(NUMBERS)))

    with pytest.raises(ChecksumMismatch):
        Routes().read(chunk)


def test_our_client_waits_for_a_free_stream(led, client, shelf):
    job_id = shelf.stage(BIG)
    [chunk] = client.job(job_id).chunks()
    with led.connect() as other:
        held = [other.do_get(ticket_of(other, job_id)) for _ in range(4)]
        for stream in held:
            stream.read_chunk()
        with pytest.raises(flight.FlightUnavailableError, match="too_busy"):
            other.do_get(ticket_of(other, job_id)).read_all()
        leaving = threading.Timer(1, held[0].cancel)
        began = time.monotonic()
        leaving.start()

        assert led.lead(chunk).read_flight().equals(BIG)
        assert time.monotonic() - began > 0.9
        for stream in held[1:]:
            stream.cancel()
