"""Files in a bucket are found below their prefix only, pinned, and read as they were planned."""

import io
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from staging.core.errors import (
    InvalidValue,
    SourceAuth,
    SourceChanged,
    SourceError,
    SourceUnavailable,
    SourceUnsupported,
    UnknownTable,
)
from staging.core.manifest import SnapshotClass
from staging.local.ports import free_port
from staging.sources.connection import Connection
from staging.sources.files.s3_root import S3Root
from staging.sources.kinds import source_for
from tests.buckets import BucketRoot, new_root
from tests.source_reading import request, sizing, stage


def numbers(first: int, last: int) -> pa.Table:
    return pa.table({"n": pa.array(range(first, last), pa.int64())})


def parquet(table: pa.Table, **options: object) -> bytes:
    written = io.BytesIO()
    pq.write_table(table, written, **options)
    return written.getvalue()


FILES = {
    "a.parquet": (0, 10),
    "y=1/b.parquet": (10, 20),
    "_tmp/c.parquet": (90, 95),
    ".hidden.parquet": (90, 95),
    "notes.txt": (70, 75),
}


@pytest.fixture
def root(s3) -> BucketRoot:
    root = new_root(s3)
    for path, bounds in FILES.items():
        root.put(path, parquet(numbers(*bounds)))
    root.client.put_object(
        Bucket=s3.bucket, Key=f"{root.place.prefix}-2/a.parquet", Body=parquet(numbers(500, 600))
    )
    return root


PATHS = [
    ("a.parquet", range(10)),
    ("./a.parquet", range(10)),
    ("notes.txt", range(70, 75)),
    (".hidden.parquet", range(90, 95)),
    ("_tmp/c.parquet", range(90, 95)),
    (".", range(20)),
    ("y=1", range(10, 20)),
    ("_tmp", range(90, 95)),
    ("y=*", range(10, 20)),
    ("*.parquet", range(10)),
    ("**/*.parquet", range(20)),
    ("[ab].parquet", range(10)),
    ("**", range(20)),
    ("y=1/**", range(10, 20)),
    ("y=1/*", range(10, 20)),
    ("**/b*", range(10, 20)),
]


@pytest.mark.parametrize(("path", "found"), PATHS)
def test_a_key_a_prefix_or_a_pattern_means_the_files_it_means_in_a_folder(
    root, tmp_path, path, found
):
    for name, bounds in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        pq.write_table(numbers(*bounds), tmp_path / name)
    in_folder = source_for(Connection("shelf", "parquet", root=tmp_path))

    for source in (root.source("parquet"), in_folder):
        assert stage(source, root.spec(path)).table["n"].to_pylist() == list(found)


@pytest.mark.parametrize("name", ["a b+c%41&d=#?;.parquet", "ünï ☃.parquet", "x=1'\"/(y)*.parquet"])
def test_odd_names_are_read(root, name):
    root.put(f"odd/{name}", parquet(numbers(0, 3)))

    for path in (f"odd/{name}", "odd"):
        assert stage(root.source("parquet"), root.spec(path)).table.equals(numbers(0, 3))


def test_the_marker_of_a_folder_is_not_a_file(root):
    root.put("y=1/", b"")

    assert stage(root.source("parquet"), root.spec("y=*")).table.equals(numbers(10, 20))


@pytest.mark.parametrize("path", ["../a.parquet", "/a.parquet", "y=1/../../x", "a\0b", ".."])
def test_a_path_out_of_the_prefix_is_refused(root, path):
    with pytest.raises(InvalidValue, match="inside the connection's root") as raised:
        root.source("parquet").describe(root.spec(path))

    assert [each.pointer for each in raised.value.errors] == ["#/source/path"]


def test_an_unknown_file_names_the_nearest(root):
    with pytest.raises(UnknownTable, match=r"nearest: y=1/b\.parquet"):
        root.source("parquet").describe(root.spec("y=1/bb.parquet"))


def test_the_whole_bucket_may_be_the_root(root):
    whole = replace(root, place=replace(root.place, prefix=""))

    path = f"{root.place.prefix}/a.parquet"
    assert stage(whole.source("parquet"), whole.spec(path)).table.equals(numbers(0, 10))


def test_a_bucket_that_is_not_there_is_unavailable(s3):
    root = new_root(s3, bucket="nobodys-bucket")

    with pytest.raises(SourceUnavailable, match="has no bucket 'nobodys-bucket'"):
        root.source("parquet").describe(root.spec("a.parquet"))


@pytest.mark.parametrize("keys", [("nobodys-key", "hunter2"), ("", "hunter2"), None])
def test_keys_that_the_store_refuses_are_said_to_be_so_and_never_shown(root, keys):
    key_id = os.environ["AWS_ACCESS_KEY_ID"]  # the service's own keys, which must not be tried
    wrong = keys and (keys[0] or key_id, keys[1])
    source = replace(root, place=replace(root.place, keys=wrong)).source("parquet")

    with pytest.raises(SourceAuth, match="refuses the connection's keys") as raised:
        source.describe(root.spec("a.parquet"))

    assert "hunter2" not in raised.value.detail
    assert "nobodys-key" not in raised.value.detail + repr(source)


def test_an_address_of_the_machine_s_own_cloud_is_not_asked(root):
    place = replace(root.place, endpoint="http://169.254.169.254")

    with pytest.raises(SourceAuth, match="the operator must allow it"):
        replace(root, place=place).source("parquet").describe(root.spec("a.parquet"))


def test_an_endpoint_that_nobody_serves_is_unavailable(root):
    place = replace(root.place, endpoint=f"http://127.0.0.1:{free_port()}")

    with pytest.raises(SourceUnavailable, match="does not answer"):
        replace(root, place=place).source("parquet").describe(root.spec("a.parquet"))


@contextmanager
def a_store_that(answer: Callable[[socket.socket, bytes], None]) -> Iterator[str]:
    """Serve each connection so until the client leaves; give the endpoint."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                accepted, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=talk, args=(accepted,)).start()

    def talk(accepted: socket.socket) -> None:
        with accepted:
            accepted.settimeout(30)
            try:
                answer(accepted, accepted.recv(65_536))
            except OSError:
                return

    server = threading.Thread(target=serve)
    server.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        server.join()


def stay_silent(accepted: socket.socket, _asked: bytes) -> None:
    accepted.recv(1)


def send_half(accepted: socket.socket, _asked: bytes, *, drops: bool = False) -> None:
    head = b'HTTP/1.1 206 Partial Content\r\nETag: "e"\r\nContent-Length: 1000\r\n\r\n'
    accepted.sendall(head + b"x" * 500)
    while not drops:
        accepted.sendall(b"x")
        time.sleep(0.1)


STORES = {
    "silent": (stay_silent, "does not answer"),
    "cut_off": (partial(send_half, drops=True), "does not answer|stops in the middle"),
    "trickling": (send_half, "stops in the middle"),
}


@pytest.mark.parametrize("name", STORES)
def test_a_store_that_does_not_get_on_is_given_up(root, monkeypatch, name):
    answer, detail = STORES[name]
    monkeypatch.setattr("staging.sources.files.s3_asking._SILENT_SECONDS", 0.5)
    monkeypatch.setattr("staging.sources.files.s3_root._RANGE_SECONDS", 1)
    source = root.source("parquet")
    split = source.split(root.spec("a.parquet"), None, sizing(1 << 20))
    bounds = [each | {"size": 1000, "version": '"e"'} for each in split.bounds]

    with a_store_that(answer) as endpoint:
        elsewhere = replace(root, place=replace(root.place, endpoint=endpoint)).source("parquet")
        began = time.monotonic()
        asked = request(root.spec("a.parquet"), replace(split, bounds=tuple(bounds)))
        with pytest.raises(SourceUnavailable, match=detail), elsewhere.read(asked) as reading:
            list(reading)

    assert time.monotonic() - began < 40


@pytest.mark.parametrize("kind", ["parquet", "delta"])
def test_the_bucket_stands_in_the_host_s_name_if_the_connection_says_so(root, monkeypatch, kind):
    real, asked = socket.getaddrinfo, []
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *rest, **more: real("127.0.0.1", *rest, **more)
    )

    def refuse(accepted: socket.socket, head: bytes) -> None:
        asked.append(head.decode())
        accepted.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    with a_store_that(refuse) as endpoint:
        port = endpoint.rpartition(":")[2]
        changes = {"addressing": "virtual", "endpoint": f"http://store.test:{port}"}
        place = replace(root.place, **changes)
        with pytest.raises(SourceAuth):
            replace(root, place=place).source(kind).describe(root.spec("a.parquet"))

    assert asked[0].startswith("GET /?")
    assert f"Host: {root.place.bucket}.store.test:{port}\r\n" in asked[0]


def same_size(root: BucketRoot) -> None:
    root.put("a.parquet", parquet(numbers(1, 11)))


def other_size(root: BucketRoot) -> None:
    root.put("a.parquet", parquet(numbers(0, 300)))


def remove(root: BucketRoot) -> None:
    root.delete("a.parquet")


@pytest.mark.parametrize("change", [same_size, other_size, remove])
def test_a_file_that_changed_after_the_split_is_stated(root, change):
    source = root.source("parquet")
    split = source.split(root.spec("a.parquet"), None, sizing(1 << 20))
    change(root)

    asked = request(root.spec("a.parquet"), split)
    with (
        pytest.raises(SourceChanged, match=r"'a\.parquet' changed after the job was planned"),
        source.read(asked) as reading,
    ):
        list(reading)


def noise(rows: int) -> pa.Table:
    return pa.table({"n": range(rows), "noise": [os.urandom(64) for _ in range(rows)]})


def test_a_file_that_is_replaced_while_it_is_read_is_never_shown_as_whole(root):
    old = noise(300_000)
    root.put("big.parquet", parquet(old, row_group_size=100_000, compression="none"))
    source = root.source("parquet")
    split = source.split(root.spec("big.parquet"), None, sizing(1 << 30))

    with source.read(request(root.spec("big.parquet"), split)) as reading:
        batches = iter(reading)
        first = next(batches)
        root.put("big.parquet", parquet(old.slice(1), row_group_size=100_000, compression="none"))
        with pytest.raises(SourceChanged):
            list(batches)

    assert first.equals(old.slice(0, len(first)).combine_chunks().to_batches()[0])


def test_the_snapshot_names_the_files_and_differs_when_one_does(root):
    source = root.source("parquet")
    first, again = (source.split(root.spec("."), None, sizing(1 << 20)).snapshot for _ in range(2))
    same_size(root)
    changed = source.split(root.spec("."), None, sizing(1 << 20)).snapshot

    assert first == again
    assert first.snapshot_class is SnapshotClass.PINNED
    assert first.value != changed.value


@pytest.fixture
def ranges(monkeypatch) -> list[int]:
    """The sizes of the ranges that are asked of the store."""
    asked: list[int] = []
    real = S3Root._range

    def counted(self, pin, first, last):
        asked.append(last - first)
        return real(self, pin, first, last)

    monkeypatch.setattr(S3Root, "_range", counted)
    return asked


def test_a_big_parquet_file_is_cut_and_only_the_columns_asked_for_are_fetched(root, ranges):
    table = noise(40_000)
    body = parquet(table, row_group_size=4_000)
    root.put("big.parquet", body)
    source = root.source("parquet")

    staged = stage(source, root.spec("big.parquet"), target_bytes=1 << 20)
    assert staged.partition_rows == [16_000, 16_000, 8_000]
    assert staged.table.equals(table)
    assert max(ranges) < len(body) / 2

    split = source.split(root.spec("big.parquet", columns=("n",)), None, sizing(1 << 30))
    ranges.clear()
    with source.read(request(root.spec("big.parquet", columns=("n",)), split)) as reading:
        assert sum(len(batch) for batch in reading) == 40_000
    assert sum(ranges) < len(body) / 4


def test_a_range_over_the_limit_is_fetched_in_pieces(root, monkeypatch, ranges):
    monkeypatch.setattr("staging.sources.files.ranged_object._PIECE_BYTES", 100)
    assert stage(root.source("parquet"), root.spec("a.parquet")).table.equals(numbers(0, 10))
    assert max(ranges) == 100


def test_a_file_that_is_no_parquet_is_said_to_be_so(root):
    for body in (b"PAR1 but not really PAR1", b""):
        root.put("bad.parquet", body)
        with pytest.raises(SourceUnsupported, match=r"'bad\.parquet' is not a Parquet file"):
            root.source("parquet").describe(root.spec("bad.parquet"))


def test_a_damaged_page_is_stated_and_never_read(root):
    options = {"write_page_checksum": True, "compression": "none", "use_dictionary": False}
    damaged = bytearray(parquet(numbers(0, 50_000), **options))
    damaged[len(damaged) // 2] ^= 0xFF
    root.put("page.parquet", bytes(damaged))

    with pytest.raises(SourceError, match="cannot be decoded"):
        stage(root.source("parquet"), root.spec("page.parquet"))


def test_the_store_s_keys_may_be_in_files_beside_the_registry(root, tmp_path: Path):
    from staging.sources.connections import Connections

    for name, key in zip(("id", "secret"), root.place.keys, strict=True):
        (tmp_path / name).write_text(f"{key}\n")
    (tmp_path / "connections.toml").write_text(
        f'[connections.shelf]\nkind = "parquet"\nroot = "{root.place}"\n'
        f'endpoint = "{root.place.endpoint}"\n'
        'access_key_id = "file:id"\nsecret_access_key = "file:secret"\n'
    )

    connection = Connections(tmp_path / "connections.toml").get(1, "shelf").resolved()
    assert stage(source_for(connection), root.spec("a.parquet")).table.equals(numbers(0, 10))
