import hashlib
import io
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from botocore.credentials import Credentials, RefreshableCredentials

from staging.core.errors import StorageError
from staging.storage.config import TRANSFER, StoreConfig, s3_client
from staging.storage.links import Link, LinkSigner
from staging.storage.objects import ObjectStore

HOUR = timedelta(hours=1)
BODY = b"0123456789" * 1000


@pytest.fixture
def key(s3: StoreConfig, request: pytest.FixtureRequest) -> str:
    name = hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:12]
    digest = hashlib.sha256(BODY).hexdigest()
    ObjectStore(s3).put_once(f"1/{name}/0.parquet", io.BytesIO(BODY), sha256=digest)
    return f"1/{name}/0.parquet"


@pytest.fixture
def signer(s3: StoreConfig) -> LinkSigner:
    return LinkSigner(s3)


def now() -> datetime:
    return datetime.now(UTC)


def end_by_its_text(link: Link) -> datetime:
    query = parse_qs(urlsplit(link.url).query)
    signed_at = datetime.strptime(query["X-Amz-Date"][0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return signed_at + timedelta(seconds=int(query["X-Amz-Expires"][0]))


def test_a_link_gives_the_bytes_and_any_range_of_them(signer, key):
    link = signer.sign(key, lifetime=HOUR, now=now())

    whole = httpx2.get(link.url, headers=link.headers)
    part = httpx2.get(link.url, headers={"Range": "bytes=5-14"})

    assert (whole.status_code, whole.content) == (200, BODY)
    assert (part.status_code, part.content) == (206, BODY[5:15])


def test_links_of_a_page_are_those_that_boto3_would_sign_in_the_same_second(s3, signer):
    keys = [f"1/job/{n}/1-abc/0.parquet" for n in range(1000)] + ["1/ä b+c/0.parquet"]
    client = s3_client(s3, TRANSFER)
    for _ in range(20):
        signed = [link.url for link in signer.sign_many(keys, lifetime=HOUR, now=now())]
        expected = [
            client.generate_presigned_url(
                "get_object", Params={"Bucket": s3.bucket, "Key": each}, ExpiresIn=3600
            )
            for each in (keys[0], keys[999], keys[1000])
        ]
        if [signed[0], signed[999], signed[1000]] == expected:
            return
    raise AssertionError(f"{signed[0]}\n{expected[0]}")


def test_no_keys_give_no_links(signer):
    assert signer.sign_many([], lifetime=HOUR, now=now()) == []


def test_a_link_is_stable_within_its_second(signer):
    for _ in range(5):
        first, second = (signer.sign("1/a", lifetime=HOUR, now=now()) for _ in range(2))
        if first == second:
            return
    raise AssertionError(f"{first.url} {second.url}")


def test_a_link_is_signed_for_the_public_endpoint_and_for_no_other(s3, key):
    port = urlsplit(s3.endpoint).port
    public = replace(s3, public_endpoint=f"http://localhost:{port}/")
    link = LinkSigner(public).sign(key, lifetime=HOUR, now=now())

    assert link.url.startswith(f"http://localhost:{port}/{s3.bucket}/{key}?")
    assert httpx2.get(link.url).content == BODY
    rewritten = link.url.replace("localhost", "127.0.0.1")
    assert httpx2.get(rewritten).status_code == 403


@pytest.mark.parametrize(
    ("endpoint", "start"),
    [
        ("https://s3.example.com", "https://s3.example.com/staging/1/a?"),
        ("https://s3.example.com:443", "https://s3.example.com/staging/1/a?"),
        ("https://example.com/store", "https://example.com/store/staging/1/a?"),
        ("http://[::1]:9000", "http://[::1]:9000/staging/1/a?"),
    ],
)
def test_public_endpoints_of_every_form_are_kept(s3, endpoint, start):
    link = LinkSigner(replace(s3, public_endpoint=endpoint)).sign("1/a", lifetime=HOUR, now=now())

    assert link.url.startswith(start)


def test_an_expired_an_altered_and_a_head_link_are_refused(signer, key):
    link = signer.sign(key, lifetime=timedelta(seconds=1), now=now())
    last = "0" if link.url[-1] != "0" else "1"
    assert httpx2.get(link.url[:-1] + last).status_code == 403
    assert httpx2.head(link.url).status_code == 403
    time.sleep((link.expires_at - now()).total_seconds() + 1.1)

    assert httpx2.get(link.url).status_code == 403


def test_a_link_lives_until_it_says(signer, key):
    link = signer.sign(key, lifetime=timedelta(seconds=3), now=now())
    time.sleep((link.expires_at - now()).total_seconds() - 0.7)

    assert httpx2.get(link.url).status_code == 200


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        (timedelta(seconds=1), timedelta(seconds=1)),
        (timedelta(seconds=3600), timedelta(seconds=3600)),
        (timedelta(seconds=90, milliseconds=700), timedelta(seconds=90)),
        (timedelta(days=7), timedelta(days=7)),
        (timedelta(days=30), timedelta(days=7)),
        (timedelta(milliseconds=10), timedelta(seconds=1)),
    ],
)
def test_a_link_says_when_it_ends(signer, asked, given):
    moment = now()
    link = signer.sign("1/a", lifetime=asked, now=moment)

    life = parse_qs(urlsplit(link.url).query)["X-Amz-Expires"]
    assert life == [str(int(given.total_seconds()))]
    assert link.expires_at == min(end_by_its_text(link), moment + asked)


def temporary(ends_at: datetime) -> Credentials:
    metadata = {
        "access_key": "key",
        "secret_key": "secret",
        "token": "a/token+of=letters",
        "expiry_time": ends_at.isoformat(),
    }
    return RefreshableCredentials.create_from_metadata(
        metadata, refresh_using=lambda: metadata, method="test", advisory_timeout=0
    )


def test_a_link_ends_with_the_credential_that_signs_it(s3):
    signer = LinkSigner(s3)
    ends_at = now().replace(microsecond=0) + timedelta(minutes=20)
    signer._credentials = temporary(ends_at)

    links = signer.sign_many(["1/a", "1/b"], lifetime=HOUR, now=now())

    for link in links:
        assert ends_at - timedelta(seconds=2) < link.expires_at <= ends_at
        assert "X-Amz-Security-Token=a%2Ftoken%2Bof%3Dletters" in link.url
        assert end_by_its_text(link) <= ends_at


def test_new_credentials_sign_the_next_link(s3):
    signer = LinkSigner(s3)
    signer._credentials = Credentials("first", "secret")
    before = signer.sign("1/a", lifetime=HOUR, now=now())
    signer._credentials = Credentials("second", "secret")
    after = signer.sign("1/a", lifetime=HOUR, now=now())

    assert "X-Amz-Credential=first%2F" in before.url
    assert "X-Amz-Credential=second%2F" in after.url


def test_other_settings_in_the_environment_do_not_bend_a_link(s3, key, monkeypatch):
    expected = LinkSigner(s3).sign(key, lifetime=HOUR, now=now())
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://elsewhere:1")
    monkeypatch.setenv("AWS_REGION", "mars-1")
    monkeypatch.setenv("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "true")
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "true")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://elsewhere:2")

    link = LinkSigner(s3).sign(key, lifetime=HOUR, now=now())

    assert link.url.partition("&X-Amz-Date")[0] == expected.url.partition("&X-Amz-Date")[0]
    assert httpx2.get(link.url).content == BODY
    into = io.BytesIO()
    ObjectStore(s3).fetch(key, into)
    assert into.getvalue() == BODY


def test_without_credentials_the_error_says_what_to_set(s3, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    with pytest.raises(StorageError, match="set AWS_ACCESS_KEY_ID"):
        LinkSigner(s3).sign("1/a", lifetime=HOUR, now=now())


def test_a_link_does_not_show_in_logs(signer):
    link = signer.sign("1/a", lifetime=HOUR, now=now())

    assert "X-Amz" not in repr(link)
