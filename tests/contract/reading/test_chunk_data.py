"""A chunk's bytes through the service: whole, by range, as an Arrow stream, or not at all."""

import hashlib
import io
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import httpx2
import pyarrow as pa
import pytest
import uvicorn

from api import streamed
from api.app import create_app
from api.streamed import Streams
from api.wiring import Wiring
from staging.core.chunks import Chunk
from staging.local.ports import free_port
from staging.storage.config import TRANSFER, StoreConfig, s3_client
from staging.storage.slots import Slots
from tests.contract.api.service import PREFIX, Recorder, make_wiring, problem_of
from tests.contract.reading.servers import Server, answers, start
from tests.contract.reading.shelf import SCHEMA, Shelf, rows
from tests.contract.reading.tap import Tap

ARROW = "application/vnd.apache.arrow.stream"
PARQUET = "application/vnd.apache.parquet"
MIB = 1 << 20
WIDE = pa.schema([pa.field("id", pa.int64()), pa.field("noise", pa.binary())])


def noise(mib: int) -> pa.Table:
    """Rows that no encoding makes smaller, of 1 KiB each."""
    values = [random.Random(n).randbytes(1024) for n in range(mib * 1024)]
    return pa.table({"id": range(len(values)), "noise": values}, schema=WIDE)


@dataclass
class Staged:
    """A staged chunk and where it is read."""

    job_id: str
    chunk: Chunk
    url: str
    body: bytes


@pytest.fixture
def stage(shelf, api_url) -> Callable[..., Staged]:
    def make(table: pa.Table | None = None, base: str = api_url, **options) -> Staged:
        job_id = shelf.stage(rows(0, 3000) if table is None else table, **options)
        chunk = shelf.catalog.chunk(1, job_id, "0")
        body = io.BytesIO()
        shelf.store.fetch(chunk.key, body)
        return Staged(job_id, chunk, f"{base}{PREFIX}/jobs/{job_id}/chunks/0/data", body.getvalue())

    return make


@pytest.fixture
def overwrite(s3) -> Callable[[Chunk, bytes], None]:
    """Put other bytes where a chunk's are, as no part of the service does."""
    client = s3_client(s3, TRANSFER)
    return lambda chunk, body: client.put_object(Bucket=s3.bucket, Key=chunk.key, Body=body)


def test_a_chunk_is_read_whole_with_its_hash_as_tag(stage):
    staged = stage()

    answer = httpx2.get(staged.url)

    assert answer.status_code == 200
    assert answer.content == staged.body
    assert hashlib.sha256(answer.content).hexdigest() == staged.chunk.sha256
    assert {name: answer.headers[name] for name in ("content-type", "content-length", "etag")} == {
        "content-type": PARQUET,
        "content-length": str(staged.chunk.byte_count),
        "etag": f'"{staged.chunk.sha256}"',
    }
    assert answer.headers["accept-ranges"] == "bytes"
    by_id = staged.url.replace("/chunks/0/", f"/chunks/{staged.chunk.chunk_id}/")
    assert httpx2.get(by_id).content == staged.body


@pytest.mark.parametrize(
    ("asked", "first", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-99", 0, 100),
        ("bytes=100-299", 100, 300),
        ("Bytes=5-", 5, None),
        ("bytes=-8", -8, None),
        ("bytes=-99999999999999999999999", 0, None),
        ("bytes=10-99999999999999999999999", 10, None),
    ],
)
def test_one_range_is_given_alone(stage, asked, first, end):
    staged = stage()

    answer = httpx2.get(staged.url, headers={"Range": asked})

    expected = staged.body[first:end]
    start = first if first >= 0 else len(staged.body) + first
    assert (answer.status_code, answer.content) == (206, expected)
    assert answer.headers["content-range"] == (
        f"bytes {start}-{start + len(expected) - 1}/{len(staged.body)}"
    )
    assert answer.headers["content-length"] == str(len(expected))
    assert answer.headers["etag"] == f'"{staged.chunk.sha256}"'


@pytest.mark.parametrize(
    "asked", ["bytes=0-1,5-9", "rows=0-9", "bytes=9-3", "bytes=-", "bytes=a-b", "bytes", "bytes=1"]
)
def test_what_is_no_single_range_is_as_if_it_were_not_there(stage, asked):
    staged = stage()

    answer = httpx2.get(staged.url, headers={"Range": asked})

    assert (answer.status_code, answer.content) == (200, staged.body)


@pytest.mark.parametrize("asked", ["bytes=SIZE-", "bytes=99999999999999999999-", "bytes=-0"])
def test_a_range_beyond_the_end_is_refused_with_the_size(stage, asked):
    staged = stage()
    size = len(staged.body)

    answer = httpx2.get(staged.url, headers={"Range": asked.replace("SIZE", str(size))})

    assert problem_of(answer) == (416, "range_not_satisfiable")
    assert answer.headers["content-range"] == f"bytes */{size}"


@pytest.mark.parametrize(("tag", "status"), [("its own", 206), ('"other"', 200), ("W/", 200)])
def test_a_range_of_another_object_is_not_given(stage, tag, status):
    staged = stage()
    own = f'"{staged.chunk.sha256}"'
    tag = {"its own": own, "W/": f"W/{own}"}.get(tag, tag)

    answer = httpx2.get(staged.url, headers={"Range": "bytes=0-9", "If-Range": tag})

    assert answer.status_code == status
    assert answer.content == (staged.body[:10] if status == 206 else staged.body)


@pytest.mark.parametrize(
    ("accept", "is_arrow"),
    [
        (ARROW, True),
        (f"{ARROW}, */*;q=0.8", True),
        (f"{PARQUET};q=0.5, {ARROW.upper()} ; q=0.9", True),
        (f"{PARQUET}, {ARROW};q=0.5", False),
        (f"{ARROW};q=0", False),
        ("*/*", False),
        ("text/html", False),
    ],
)
def test_accept_chooses_the_form(stage, accept, is_arrow):
    staged = stage()

    answer = httpx2.get(staged.url, headers={"Accept": accept})

    assert answer.headers["content-type"] == (ARROW if is_arrow else PARQUET)
    assert answer.headers["vary"] == "Accept"


def test_accept_may_have_several_lines(stage):
    lines = [("Accept", "text/html"), ("Accept", ARROW)]

    assert httpx2.get(stage().url, headers=lines).headers["content-type"] == ARROW


def test_an_arrow_stream_has_the_chunks_rows_and_schema_and_no_ranges(stage):
    staged = stage()

    answer = httpx2.get(staged.url, headers={"Accept": ARROW, "Range": "bytes=0-9"})

    with pa.ipc.open_stream(answer.content) as stream:
        table, batches = stream.read_all(), stream.schema
    assert answer.status_code == 200
    assert batches == SCHEMA
    assert table.equals(rows(0, 3000))
    assert answer.headers["etag"] == f'W/"{staged.chunk.sha256}"'
    assert answer.headers["accept-ranges"] == "none"
    assert "content-length" not in answer.headers


@pytest.mark.parametrize("accept", [PARQUET, ARROW])
def test_head_tells_the_same_and_reads_nothing(stage, accept):
    staged = stage()
    with httpx2.Client() as client:
        told = client.head(staged.url, headers={"Accept": accept})
        after = client.get(staged.url, headers={"Accept": accept})

    assert (told.status_code, told.content) == (200, b"")
    names = ("content-type", "etag", "accept-ranges")
    assert [told.headers[name] for name in names] == [after.headers[name] for name in names]
    assert told.headers.get("content-length") == after.headers.get("content-length")


@pytest.mark.parametrize("accept", [PARQUET, ARROW])
def test_an_object_that_the_store_has_lost_is_gone(stage, shelf, accept):
    staged = stage()
    shelf.store.delete([staged.chunk.key])

    answer = httpx2.get(staged.url, headers={"Accept": accept})

    assert problem_of(answer) == (410, "gone")
    assert answer.json()["reason"] == "failed"
    assert staged.job_id in answer.json()["detail"]


def test_an_object_that_was_purged_meanwhile_is_gone_by_the_jobs_end(stage, shelf):
    staged = stage()
    shelf.store.delete([staged.chunk.key])
    shelf.catalog.request_cancel(1, staged.job_id, now=datetime.now(UTC))

    answer = httpx2.get(staged.url)

    assert problem_of(answer) == (410, "gone")
    assert answer.json()["reason"] == "cancelled"


@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=0-9"}, {"Accept": ARROW}])
@pytest.mark.parametrize("change", ["shorter", "longer", "empty"])
def test_an_object_of_another_length_is_never_served(stage, overwrite, headers, change):
    staged = stage()
    other = {"shorter": staged.body[:-1], "longer": staged.body + b"x", "empty": b""}[change]
    overwrite(staged.chunk, other)

    answer = httpx2.get(staged.url, headers=headers)

    assert problem_of(answer) == (503, "object_damaged")


@pytest.mark.parametrize("accept", [PARQUET, ARROW])
def test_damaged_bytes_break_the_answer_off(stage, overwrite, accept):
    staged = stage(noise(8))
    middle = len(staged.body) // 2
    overwrite(staged.chunk, staged.body[:middle] + b"damage" + staged.body[middle + 6 :])

    with pytest.raises(httpx2.TransportError):
        httpx2.get(staged.url, headers={"Accept": accept})


@pytest.fixture
def tapped(s3, environment, tmp_path) -> Iterator[tuple[Tap, Server, str]]:
    """An API that reaches its store through a tap."""
    tap, port = Tap(httpx2.URL(s3.endpoint).port), free_port()
    given = {"STAGING_PORT": str(port), "STAGING_S3_ENDPOINT": f"http://127.0.0.1:{tap.port}"}
    server = start("api", {**environment, **given}, tmp_path / "api.log")
    server.until(lambda: answers(port))
    yield tap, server, f"http://127.0.0.1:{port}"
    server.stop()
    tap.close()


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_client_that_vanishes_frees_the_stores_connection(tapped, stage):
    tap, _, base = tapped
    staged = stage(noise(64), base)
    url = httpx2.URL(staged.url)
    with socket.create_connection((url.host, url.port), 10) as client:
        client.sendall(f"GET {url.path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
        until(lambda: tap.open == 1)
    until(lambda: tap.open == 0)

    assert httpx2.get(staged.url, timeout=60).content == staged.body


@contextmanager
def served(wiring: Wiring) -> Iterator[int]:
    """Serve the API in this process; give its port."""
    port = free_port()
    # Without its lifespan, at whose end it would close the shelf's catalog.
    config = uvicorn.Config(create_app(wiring), port=port, log_level="critical", lifespan="off")
    server = uvicorn.Server(config)
    serving = threading.Thread(target=server.run)
    serving.start()
    try:
        until(lambda: answers(port))
        yield port
    finally:
        server.should_exit = True
        serving.join()


def wired(shelf: Shelf, store: StoreConfig) -> Wiring:
    return make_wiring(shelf.catalog, shelf.folder, Recorder(), lambda: datetime.now(UTC), store)


def test_a_client_that_takes_nothing_is_let_go(s3, shelf, stage, monkeypatch):
    monkeypatch.setattr(streamed, "_STALL_SECONDS", 0.5)
    tap = Tap(httpx2.URL(s3.endpoint).port)
    store = replace(s3, endpoint=f"http://127.0.0.1:{tap.port}")
    url = httpx2.URL(stage(noise(64)).url)
    with (
        served(wired(shelf, store)) as port,
        socket.create_connection(("127.0.0.1", port), 10) as client,
    ):
        client.sendall(f"GET {url.path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert client.recv(100).startswith(b"HTTP/1.1 200 ")
        until(lambda: tap.open == 1)
        until(lambda: tap.open == 0)
    tap.close()


@pytest.mark.parametrize("accept", [PARQUET, ARROW])
def test_a_stream_has_its_place_to_its_end_and_no_longer(s3, shelf, stage, accept):
    wiring = replace(wired(shelf, s3), streams=Streams(slots=Slots(1)))
    with served(wiring) as port:
        url = stage(noise(64), f"http://127.0.0.1:{port}").url
        with httpx2.stream("GET", url, headers={"Accept": accept}, timeout=60) as held:
            refused = httpx2.get(url)

        assert held.status_code == 200
        assert problem_of(refused) == (503, "too_busy")
        until(lambda: httpx2.get(url, timeout=60).status_code == 200)


def test_a_store_that_breaks_off_breaks_the_answer_off(tapped, stage):
    tap, _, base = tapped
    staged = stage(noise(8), base)
    tap.cut_after = 4 * MIB

    with pytest.raises(httpx2.TransportError):
        httpx2.get(staged.url)


@pytest.mark.parametrize("accept", [PARQUET, ARROW])
def test_no_chunk_is_held_in_memory(tapped, stage, accept):
    _, server, base = tapped
    small, large = stage(noise(16), base), stage(noise(128), base)
    httpx2.get(small.url, headers={"Accept": accept})
    before, read = most_memory(server), 0

    with httpx2.stream("GET", large.url, headers={"Accept": accept}, timeout=60) as answer:
        for piece in answer.iter_raw():
            read += len(piece)

    assert read > 100 * MIB
    assert most_memory(server) - before < 32 * MIB


def most_memory(server: Server) -> int:
    """Give the largest resident size that a process has had."""
    with open(f"/proc/{server.process.pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) * 1024
