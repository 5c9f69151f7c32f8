"""Flight's cache: what was decoded once, however it is harmed, is never wrong and never short."""

import itertools
import json
import os
import resource
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import flight

from staging.local.ports import free_port
from tests.contract.reading.narrow import connect
from tests.contract.reading.servers import Server, answers, start
from tests.contract.reading.shelf import Shelf, rows

TABLE = rows(0, 3000)
BIG = pa.concat_tables([rows(0, 50_000)] * 24).combine_chunks()


@dataclass(frozen=True)
class Kept:
    """A Flight server and the folder of its cache."""

    server: Server
    client: flight.FlightClient
    folder: Path

    def tickets(self, job_id: str) -> list[flight.Ticket]:
        info = self.client.get_flight_info(flight.FlightDescriptor.for_path(job_id))
        return [endpoint.ticket for endpoint in info.endpoints]

    def narrowed(self, job_id: str, *columns: str) -> flight.Ticket:
        command = json.dumps({"job_id": job_id, "columns": columns})
        info = self.client.get_flight_info(flight.FlightDescriptor.for_command(command))
        return info.endpoints[0].ticket

    def read(self, ticket: flight.Ticket) -> pa.Table:
        return self.client.do_get(ticket).read_all()

    def files(self, chunk_id: str = "") -> list[Path]:
        return [each for each in self.folder.glob("*") if each.name.startswith(chunk_id)]

    def chunks(self) -> set[str]:
        return {each.name.split(".")[0] for each in self.files()}

    def said(self, event: str) -> int:
        return sum(event in line for line in self.server.log.read_text().splitlines())

    def until_kept(self, count: int) -> None:
        until(lambda: self.said("flight.kept") == count)


@pytest.fixture
def serve(environment, tmp_path) -> Iterator[Callable[..., Kept]]:
    """Start servers one after the other, with a cache in one folder."""
    folder, started, numbers = tmp_path / "cache", [], itertools.count()

    def started_with(**settings: str) -> Kept:
        port = free_port()
        own = {"STAGING_FLIGHT_PORT": str(port), "STAGING_FLIGHT_CACHE_DIR": str(folder)}
        log = tmp_path / f"flight-{next(numbers)}.log"
        server = start("flight_server", {**environment, **own, **settings}, log)
        server.until(lambda: answers(port))
        started.append(Kept(server, connect(f"grpc://127.0.0.1:{port}"), folder))
        return started[-1]

    yield started_with
    for each in started:
        each.client.close()
        each.server.stop()


@pytest.fixture
def kept(serve) -> Kept:
    return serve()


def chunk_id(shelf: Shelf, job_id: str, index: int = 0) -> str:
    return shelf.catalog.chunk(1, job_id, str(index)).chunk_id


def lose_object(shelf: Shelf, job_id: str, index: int = 0) -> None:
    """Delete a chunk's object: from now on it can come from the cache only."""
    shelf.store.delete([shelf.catalog.chunk(1, job_id, str(index)).key])


def until(is_so: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def joined(first: pa.RecordBatch, rest: pa.Table) -> pa.Table:
    return pa.concat_tables([pa.Table.from_batches([first]), rest])


def test_a_chunk_that_was_read_is_served_again_without_its_object(kept, shelf):
    job_id = shelf.stage(TABLE)
    [ticket] = kept.tickets(job_id)
    assert kept.read(ticket).equals(TABLE)
    kept.until_kept(1)
    lose_object(shelf, job_id)

    assert kept.read(ticket).equals(TABLE)
    narrow = kept.read(kept.narrowed(job_id, "note", "id"))
    assert narrow.equals(TABLE.select(["note", "id"]))
    assert [each.suffix for each in kept.files(chunk_id(shelf, job_id))] == [".arrow"]


def test_columns_that_were_read_are_kept_in_their_order(kept, shelf):
    job_id = shelf.stage(TABLE)
    ticket = kept.narrowed(job_id, "at", "price")
    assert kept.read(ticket).equals(TABLE.select(["at", "price"]))
    kept.until_kept(1)
    lose_object(shelf, job_id)

    assert kept.read(ticket).equals(TABLE.select(["at", "price"]))


def test_those_who_ask_at_once_share_one_decode(kept, shelf):
    [ticket] = kept.tickets(shelf.stage(BIG))

    with ThreadPoolExecutor(4) as pool:
        tables = list(pool.map(kept.read, [ticket] * 4))

    assert [table.equals(BIG) for table in tables] == [True] * 4
    assert kept.said("flight.kept") == 1


def overwrite(file: Path) -> None:
    """Change bytes, and set the time back as if nothing had been."""
    before = file.stat()
    with file.open("r+b") as into:
        into.seek(before.st_size // 2)
        into.write(b"\xff" * 64)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def replace(file: Path) -> None:
    shutil.copyfile(file, copy := file.with_name("copy"))
    copy.replace(file)


@pytest.mark.parametrize(
    "harm",
    [
        overwrite,
        replace,
        Path.unlink,
        lambda file: os.truncate(file, file.stat().st_size // 2),
        lambda file: os.truncate(file, 0),
    ],
    ids=["overwritten", "replaced", "deleted", "truncated", "emptied"],
)
def test_a_file_that_somebody_touched_is_noticed_and_made_anew(kept, shelf, harm):
    job_id = shelf.stage(TABLE)
    [ticket] = kept.tickets(job_id)
    kept.read(ticket)
    kept.until_kept(1)
    [file] = kept.files(chunk_id(shelf, job_id))
    harm(file)

    assert kept.read(ticket).equals(TABLE)

    assert kept.said("flight.cache_file_lost") == 1
    kept.until_kept(2)
    [anew] = kept.files(chunk_id(shelf, job_id))
    assert anew != file


def test_the_folder_may_go_under_a_running_server(kept, shelf):
    [ticket] = kept.tickets(shelf.stage(BIG))
    kept.read(ticket)
    kept.until_kept(1)
    stream = kept.client.do_get(ticket)
    first = stream.read_chunk().data
    shutil.rmtree(kept.folder)

    assert joined(first, stream.read_all()).equals(BIG)
    assert kept.read(ticket).equals(BIG)
    kept.until_kept(2)
    assert len(kept.files()) == 1


def test_a_server_without_a_folder_serves_without_a_cache(kept, shelf):
    kept.folder.write_text("not a folder")
    [ticket] = kept.tickets(shelf.stage(TABLE))

    assert kept.read(ticket).equals(TABLE)
    assert kept.read(ticket).equals(TABLE)
    assert kept.said("flight.unkept") == 2


@pytest.mark.parametrize("limit_bytes", [100_000, 30_000_000])
def test_a_full_disk_is_served_around_and_nothing_is_left_on_it(kept, shelf, limit_bytes):
    """No file may be larger than so: the kernel refuses to write on, as on a full disk."""
    [ticket] = kept.tickets(shelf.stage(BIG))
    unlimited = resource.prlimit(
        kept.server.process.pid,
        resource.RLIMIT_FSIZE,
        (limit_bytes, resource.RLIM_INFINITY),
    )

    assert kept.read(ticket).equals(BIG)
    assert kept.said("flight.unkept") == 1
    assert kept.said("flight.fetched_into_memory") == (limit_bytes == 100_000)
    assert kept.files() == []

    resource.prlimit(kept.server.process.pid, resource.RLIMIT_FSIZE, unlimited)
    assert kept.read(ticket).equals(BIG)
    kept.until_kept(1)


def test_the_cache_stays_within_its_bound_and_gives_up_what_was_not_read_for_longest(serve, shelf):
    job_id = shelf.stage(*[TABLE] * 4)
    kept = serve(STAGING_FLIGHT_CACHE_BYTES=str(int(TABLE.nbytes * 2.7)))
    tickets = kept.tickets(job_id)
    for count, index in [(1, 3), (2, 1), (2, 3)]:
        kept.read(tickets[index])
        kept.until_kept(count)
    kept.read(tickets[2])
    until(lambda: kept.said("flight.kept") >= 3)

    until(lambda: kept.chunks() == {chunk_id(shelf, job_id, index) for index in (2, 3)})
    assert sum(each.stat().st_size for each in kept.files()) <= TABLE.nbytes * 2.7


@pytest.mark.parametrize("limit_bytes", [0, 1, 1_000_000])
def test_a_chunk_larger_than_the_cache_is_served_without_pushing_others_out_again(
    serve, shelf, limit_bytes
):
    kept = serve(STAGING_FLIGHT_CACHE_BYTES=str(limit_bytes))
    [small] = kept.tickets(shelf.stage(TABLE))
    [big] = kept.tickets(shelf.stage(BIG))

    for _ in range(2):
        assert kept.read(big).equals(BIG)
        assert kept.read(small).equals(TABLE)

    fits = limit_bytes > TABLE.nbytes
    until(lambda: kept.said("flight.kept") == fits)
    assert kept.said("flight.unkept") == (2 if fits else 4)
    assert sum(each.stat().st_size for each in kept.files()) <= limit_bytes


def test_what_a_crash_left_is_neither_served_nor_kept(serve, shelf):
    job_id = shelf.stage(TABLE)
    crashed = serve()
    [ticket] = crashed.tickets(job_id)
    crashed.read(ticket)
    crashed.until_kept(1)
    crashed.server.process.kill()
    crashed.server.process.wait()
    [left] = crashed.files()
    left.write_bytes(b"half of it")
    left.with_suffix(".part").write_bytes(b"half of it")
    (foreign := left.with_name("mine.arrow")).write_bytes(b"of somebody else")

    kept = serve()

    assert kept.files() == [foreign]
    assert kept.read(ticket).equals(TABLE)


def test_a_server_that_stops_leaves_nothing(kept, shelf):
    [ticket] = kept.tickets(shelf.stage(TABLE))
    kept.read(ticket)
    kept.until_kept(1)

    assert kept.server.stop() == 0

    assert kept.files() == []


def test_the_files_of_an_ended_job_go_within_the_time_of_its_purge(kept, shelf):
    over, stays = shelf.stage(BIG), shelf.stage(TABLE)
    [ticket], [other] = kept.tickets(over), kept.tickets(stays)
    kept.read(ticket)
    kept.read(other)
    kept.until_kept(2)
    stream = kept.client.do_get(ticket)
    first = stream.read_chunk().data

    shelf.catalog.request_cancel(1, over, now=datetime.now(UTC))

    until(lambda: not kept.files(chunk_id(shelf, over)), seconds=10)
    assert kept.chunks() == {chunk_id(shelf, stays)}
    with pytest.raises(pa.ArrowKeyError, match="gone"):
        kept.read(ticket)
    assert joined(first, stream.read_all()).equals(BIG)


def test_the_file_of_a_deleted_chunk_goes_when_it_is_asked_for(kept, shelf):
    job_id = shelf.stage(TABLE)
    [ticket] = kept.tickets(job_id)
    kept.read(ticket)
    kept.until_kept(1)
    ack = json.dumps({"job_id": job_id, "chunk_id": "0"}).encode()
    [_] = kept.client.do_action(("ack", ack))
    shelf.catalog.mark_deleted(job_id, [chunk_id(shelf, job_id)], now=datetime.now(UTC))

    with pytest.raises(pa.ArrowKeyError, match="gone"):
        kept.read(ticket)

    assert kept.files() == []


def test_an_object_that_goes_while_it_is_read_is_read_whole(kept, shelf):
    job_id = shelf.stage(BIG)
    stream = kept.client.do_get(kept.tickets(job_id)[0])
    first = stream.read_chunk().data
    lose_object(shelf, job_id)

    assert joined(first, stream.read_all()).equals(BIG)


def test_who_walks_in_order_finds_the_next_chunk_warm(kept, shelf):
    tables = [rows(n, 10) for n in range(4)]
    job_id = shelf.stage(*tables)
    tickets = kept.tickets(job_id)

    for index in range(3):
        assert kept.read(tickets[index]).equals(tables[index])
        kept.until_kept(index + 2)
        lose_object(shelf, job_id, index + 1)

    assert kept.read(tickets[3]).equals(tables[3])


def test_who_picks_chunks_causes_no_other_decode(kept, shelf):
    job_id = shelf.stage(*[rows(n, 10) for n in range(6)])
    tickets = kept.tickets(job_id)

    kept.read(tickets[2])
    kept.read(tickets[4])
    kept.until_kept(2)
    time.sleep(1)

    assert kept.chunks() == {chunk_id(shelf, job_id, index) for index in (2, 4)}


def test_a_damaged_object_fails_all_who_wait_for_it(kept, shelf):
    job_id = shelf.stage(TABLE)
    chunk = shelf.catalog.chunk(1, job_id, "0")
    lose_object(shelf, job_id)
    shelf.put(chunk.key, b"x" * chunk.byte_count)
    [ticket] = kept.tickets(job_id)
    failed: list[Exception] = []

    def ask() -> None:
        try:
            kept.read(ticket)
        except flight.FlightInternalError as refused:
            failed.append(refused)

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for each in askers:
        each.start()
    for each in askers:
        each.join()
    assert (len(failed), kept.files()) == (4, [])
