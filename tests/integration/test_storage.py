import hashlib
import socket
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from random import Random

import httpx2
import pytest

from staging.core.errors import (
    BucketMissing,
    ObjectConflict,
    ObjectDamaged,
    ObjectMissing,
    StagingError,
    StorageError,
    StorageUnavailable,
    UploadCorrupted,
)
from staging.local.ports import free_port
from staging.storage.config import TRANSFER, StoreConfig, s3_client
from staging.storage.object_body import Span
from staging.storage.objects import ObjectStore

BODY = Random(1).randbytes(5_000_000)


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


@pytest.fixture
def store(s3: StoreConfig) -> ObjectStore:
    return ObjectStore(s3)


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> str:
    """A place of the bucket that is the test's own."""
    return f"test_storage/{sha256(request.node.nodeid.encode())[:12]}/"


def fetched(store: ObjectStore, key: str) -> bytes:
    into = BytesIO()
    store.fetch(key, into)
    return into.getvalue()


@pytest.mark.parametrize("body", [b"", b"one", BODY], ids=["empty", "small", "large"])
def test_what_was_put_is_fetched(store, prefix, body):
    store.put_once(prefix + "a", BytesIO(body), sha256=sha256(body))

    assert fetched(store, prefix + "a") == body


@pytest.mark.parametrize(("start", "end"), [(0, 1), (1, 3_000_000), (0, 5_000_000)])
def test_a_span_of_what_was_put_is_read_in_parts(store, prefix, start, end):
    store.put_once(prefix + "a", BytesIO(BODY), sha256=sha256(BODY))

    with closing(store.open(prefix + "a", Span(start, end), byte_count=len(BODY))) as body:
        parts = list(body)

    assert b"".join(parts) == BODY[start:end]
    assert max(map(len, parts)) <= 1 << 20


def test_an_object_of_another_length_is_not_opened(store, prefix):
    store.put_once(prefix + "a", BytesIO(BODY), sha256=sha256(BODY))

    for byte_count in (len(BODY) - 1, len(BODY) + 1):
        with pytest.raises(ObjectDamaged):
            store.open(prefix + "a", Span(0, 10), byte_count=byte_count)
    with pytest.raises(ObjectDamaged):
        store.open(prefix + "a", Span(len(BODY), len(BODY) + 1), byte_count=len(BODY) + 1)
    with pytest.raises(ObjectMissing):
        store.open(prefix + "b", Span(0, 10), byte_count=10)


def test_a_repeated_put_of_the_same_bytes_is_content(store, prefix):
    for _ in range(2):
        store.put_once(prefix + "a", BytesIO(BODY), sha256=sha256(BODY))

    assert fetched(store, prefix + "a") == BODY


@pytest.mark.parametrize("other", [b"other bytes", b"B" * len(BODY)], ids=["shorter", "as long"])
def test_an_object_is_never_overwritten_by_other_bytes(store, prefix, other):
    store.put_once(prefix + "a", BytesIO(BODY), sha256=sha256(BODY))

    with pytest.raises(ObjectConflict, match="other bytes live under"):
        store.put_once(prefix + "a", BytesIO(other), sha256=sha256(other))

    assert fetched(store, prefix + "a") == BODY


def test_of_two_writers_at_once_one_wins_and_the_other_is_told(store, prefix):
    bodies = [Random(n).randbytes(300_000) for n in range(2)]
    files = [BytesIO(body) for body in bodies]

    def put(key: str, n: int) -> bool:
        try:
            store.put_once(key, files[n], sha256=sha256(bodies[n]))
        except ObjectConflict:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        for turn in range(10):
            key = f"{prefix}{turn}"
            won = list(pool.map(put, [key, key], [0, 1]))
            assert sorted(won) == [False, True]
            assert fetched(store, key) == bodies[won.index(True)]


def test_bytes_that_do_not_match_their_hash_are_refused_and_not_stored(store, prefix):
    with pytest.raises(UploadCorrupted) as refused:
        store.put_once(prefix + "a", BytesIO(BODY), sha256=sha256(b"something else"))

    assert refused.value.retryable
    assert list(store.list(prefix)) == []


def test_a_writer_that_dies_in_the_middle_leaves_no_object(s3, store, prefix):
    url = httpx2.URL(
        s3_client(s3, TRANSFER).generate_presigned_url(
            "put_object", Params={"Bucket": s3.bucket, "Key": prefix + "a"}
        )
    )
    request = (
        f"PUT {url.raw_path.decode()} HTTP/1.1\r\nHost: {url.host}:{url.port}\r\n"
        f"Content-Length: {len(BODY)}\r\n\r\n"
    )
    with socket.create_connection((url.host, url.port)) as connection:
        connection.sendall(request.encode() + BODY[: len(BODY) // 2])
    time.sleep(0.5)

    assert list(store.list(prefix)) == []


def test_listing_gives_every_object_under_a_prefix_in_the_order_of_keys(store, prefix):
    before = datetime.now(UTC) - timedelta(seconds=2)
    for name in ("b/2", "a", "b/1"):
        store.put_once(prefix + name, BytesIO(name.encode()), sha256=sha256(name.encode()))

    listed = list(store.list(prefix))
    below = list(store.list(prefix + "b/"))

    assert [each.key for each in listed] == [prefix + name for name in ("a", "b/1", "b/2")]
    assert [each.byte_count for each in listed] == [1, 3, 3]
    assert all(before < each.modified_at < datetime.now(UTC) for each in listed)
    assert [each.key for each in below] == [prefix + "b/1", prefix + "b/2"]


def test_deleting_takes_thousands_of_keys_and_those_that_are_not_there(store, prefix):
    for name in ("a", "b", "c"):
        store.put_once(prefix + name, BytesIO(b"x"), sha256=sha256(b"x"))

    store.delete(f"{prefix}{name}" for name in ["a", *range(2500), "b"])

    assert [each.key for each in store.list(prefix)] == [prefix + "c"]
    with pytest.raises(ObjectMissing):
        fetched(store, prefix + "a")


def test_only_old_unfinished_uploads_are_aborted(s3, store, prefix):
    client = s3_client(s3, TRANSFER)
    client.create_multipart_upload(Bucket=s3.bucket, Key=prefix + "a")
    now = datetime.now(UTC)

    kept = store.abort_unfinished_uploads(now - timedelta(minutes=1))
    aborted = store.abort_unfinished_uploads(now + timedelta(minutes=1))
    again = store.abort_unfinished_uploads(now + timedelta(minutes=1))

    assert (kept, aborted, again) == (0, 1, 0)


def test_a_missing_bucket_is_an_error_unless_it_may_be_created(s3):
    missing = ObjectStore(replace(s3, bucket="not-there-yet"))

    with pytest.raises(BucketMissing, match="'not-there-yet' does not exist"):
        missing.ensure_bucket(create=False)
    with pytest.raises(BucketMissing):
        list(missing.list())
    missing.ensure_bucket(create=True)
    missing.ensure_bucket(create=True)

    missing.check()
    assert list(missing.list()) == []


def test_wrong_keys_are_a_refusal_and_no_keys_are_named(s3, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(StorageError, match="the store answers SignatureDoesNotMatch") as refused:
        ObjectStore(s3).put_once("a", BytesIO(b"x"), sha256=sha256(b"x"))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    with pytest.raises(StorageError, match="set AWS_ACCESS_KEY_ID"):
        ObjectStore(s3).put_once("a", BytesIO(b"x"), sha256=sha256(b"x"))
    assert not refused.value.retryable


STEPS: dict[str, Callable[[ObjectStore], object]] = {
    "put": lambda store: store.put_once("a", BytesIO(b"x"), sha256=sha256(b"x")),
    "fetch": lambda store: fetched(store, "a"),
    "open": lambda store: store.open("a", Span(0, 1), byte_count=1),
    "delete": lambda store: store.delete(["a"]),
    "list": lambda store: list(store.list()),
    "ensure_bucket": lambda store: store.ensure_bucket(create=True),
    "check": lambda store: store.check(),
    "abort": lambda store: store.abort_unfinished_uploads(datetime.now(UTC)),
}


@pytest.mark.parametrize("step", STEPS)
def test_a_closed_port_is_noticed_in_seconds(s3, step):
    dead = ObjectStore(replace(s3, endpoint=f"http://127.0.0.1:{free_port()}"))
    started = time.monotonic()

    with pytest.raises(StorageUnavailable, match="does not answer") as unavailable:
        STEPS[step](dead)

    assert time.monotonic() - started < 45
    assert unavailable.value.__cause__ is not None


@pytest.fixture
def answering(s3: StoreConfig) -> Iterator[Callable[[bytes], ObjectStore]]:
    """A server that gives every connection the same bytes and closes, or says nothing."""
    server = socket.create_server(("127.0.0.1", 0))
    quiet: list[socket.socket] = []

    def begin(answer: bytes) -> ObjectStore:
        threading.Thread(target=_answer, args=(server, answer, quiet), daemon=True).start()
        return ObjectStore(replace(s3, endpoint=f"http://127.0.0.1:{server.getsockname()[1]}"))

    yield begin
    server.close()
    for connection in quiet:
        connection.close()


def _answer(server: socket.socket, answer: bytes, quiet: list[socket.socket]) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        connection.recv(65536)
        if answer:
            connection.sendall(answer)
            connection.close()
        else:
            quiet.append(connection)


def test_a_silent_store_is_not_ready_after_three_seconds(answering):
    started = time.monotonic()

    with pytest.raises(StorageUnavailable):
        answering(b"").check()

    assert time.monotonic() - started < 15


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly a part", StorageUnavailable),
        (b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\n\r\n", StorageUnavailable),
        (b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", StorageUnavailable),
        (b"not HTTP at all\r\n\r\n", StorageUnavailable),
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", StorageError),
    ],
    ids=["cut short", "503", "500", "garbage", "403"],
)
def test_a_broken_answer_is_one_of_our_errors(answering, answer, error):
    with pytest.raises(StagingError) as failed:
        fetched(answering(answer), "a")

    assert type(failed.value) is error


def test_a_store_that_keeps_no_hash_is_read_back(s3, store, prefix, monkeypatch):
    """Take the hash out of the store's answers, as a store without checksums would give them."""
    client = store._client
    client.meta.events.register(
        "before-parse.s3", lambda response_dict, **_: _without_hash(response_dict)
    )

    store.put_once(prefix + "a", BytesIO(BODY), sha256=sha256(BODY))
    store.put_once(prefix + "a", BytesIO(BODY), sha256=sha256(BODY))
    with pytest.raises(ObjectConflict):
        store.put_once(prefix + "a", BytesIO(b"B" * len(BODY)), sha256=sha256(b"B" * len(BODY)))


def _without_hash(response: dict) -> None:
    response["headers"] = {
        name: value
        for name, value in response["headers"].items()
        if name.lower() != "x-amz-checksum-sha256"
    }


def test_the_store_reports_the_hash_that_it_verified(s3, store, prefix):
    store.put_once(prefix + "a", BytesIO(BODY), sha256=sha256(BODY))

    head = s3_client(s3, TRANSFER).head_object(
        Bucket=s3.bucket, Key=prefix + "a", ChecksumMode="ENABLED"
    )

    assert head["ChecksumSHA256"] == b64encode(hashlib.sha256(BODY).digest()).decode()
    assert head["ContentType"] == "application/vnd.apache.parquet"
