"""The bucket under a host of its own, objects that are encrypted, links that want headers."""

import hashlib
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from staging.core.errors import StagingError
from staging.local.child import start
from staging.local.ports import PortBook
from staging.local.seaweed import BUCKET, PREFERRED, SeaweedPorts, seaweed
from staging.settings import Settings
from staging.storage.config import TRANSFER, StoreConfig, s3_client
from staging.storage.links import Link, LinkSigner
from staging.storage.objects import ObjectStore

HOUR = timedelta(hours=1)
BODY = b"0123456789" * 1000
HASH = hashlib.sha256(BODY).hexdigest()
DOMAIN = "objects.test"
PAYER = (("x-amz-request-payer", "requester"),)


@pytest.fixture
def own_host(
    s3: StoreConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[StoreConfig, str]]:
    """A store that gives each bucket a host below DOMAIN; and where it really listens.

    No name server knows DOMAIN, so the service's client reaches it as if by a proxy, which the
    store cannot tell from a direct request.
    """
    ports = SeaweedPorts.choose(PortBook(), dict.fromkeys(PREFERRED, 0))
    program = seaweed(tmp_path / "s3", ports, tmp_path / "s3.log", dict(os.environ))
    child = start(replace(program, command=[*program.command, f"-s3.domainName={DOMAIN}"]))
    monkeypatch.setenv("http_proxy", ports.endpoint)
    endpoint = f"http://{DOMAIN}:{ports.s3}"
    yield StoreConfig(endpoint, endpoint, BUCKET, s3.region, addressing="virtual"), ports.endpoint
    child.stop()


def put(config: StoreConfig, key: str) -> None:
    """Put as soon as the store is ready."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return ObjectStore(config).put_once(key, BytesIO(BODY), sha256=HASH)
        except StagingError:
            assert time.monotonic() < deadline
            time.sleep(0.2)


def link_of(config: StoreConfig, key: str = "1/a.parquet") -> Link:
    return LinkSigner(config).sign(key, lifetime=HOUR, now=datetime.now(UTC))


def test_a_bucket_is_reached_and_linked_under_a_host_of_its_own(own_host):
    config, address = own_host
    put(config, "1/ä b+c/0.parquet")
    link = link_of(config, "1/ä b+c/0.parquet")
    host = urlsplit(link.url).netloc

    def get(named: str) -> httpx2.Response:
        at = address + link.url.partition(host)[2]
        with httpx2.Client(trust_env=False) as client:
            return client.get(at, headers={"Host": named})

    assert host == f"{BUCKET}.{urlsplit(config.endpoint).netloc}"
    assert (get(host).status_code, get(host).content) == (200, BODY)
    assert get(host.replace(BUCKET, "other")).status_code in (403, 404)
    assert [found.key for found in ObjectStore(config).list()] == ["1/ä b+c/0.parquet"]


@pytest.mark.parametrize(
    ("endpoint", "start_of_link"),
    [
        ("https://s3.example.com", "https://staging.s3.example.com/1/a.parquet?"),
        ("https://s3.example.com:9000/", "https://staging.s3.example.com:9000/1/a.parquet?"),
        ("https://example.com/store", "https://staging.example.com/store/1/a.parquet?"),
    ],
)
@pytest.mark.parametrize("headers", [(), PAYER])
def test_the_public_endpoint_is_kept_below_the_bucket(s3, endpoint, start_of_link, headers):
    config = replace(s3, public_endpoint=endpoint, addressing="virtual", link_headers=headers)

    assert link_of(config).url.startswith(start_of_link)


@pytest.mark.parametrize("key", ["1/job/3/1-abc/0.parquet", "1/ä b+c/0.parquet"])
def test_a_link_of_either_style_is_the_one_that_boto3_would_sign(s3, key):
    named = replace(s3, endpoint=f"http://{DOMAIN}:9000", public_endpoint=f"http://{DOMAIN}:9000")
    for addressing in ("path", "virtual"):
        config = replace(named, addressing=addressing)
        client, where = s3_client(config, TRANSFER), {"Bucket": config.bucket, "Key": key}
        # either may be signed in the second after the other
        assert any(
            link_of(config, key).url
            == client.generate_presigned_url("get_object", Params=where, ExpiresIn=3600)
            for _ in range(20)
        )


def test_a_link_that_wants_headers_is_refused_without_them(s3):
    config = replace(s3, link_headers=PAYER)
    put(config, "1/headers.parquet")
    link = link_of(config, "1/headers.parquet")

    assert link.headers == dict(PAYER)
    assert "X-Amz-SignedHeaders=host%3Bx-amz-request-payer&" in link.url
    assert httpx2.get(link.url, headers=link.headers).content == BODY
    assert httpx2.get(link.url).status_code == 403
    other = {"x-amz-request-payer": "somebody"}
    assert httpx2.get(link.url, headers=other).status_code == 403


def test_an_object_is_encrypted_as_it_is_asked_for_and_read_as_any_other(s3):
    config = replace(s3, encryption="AES256")
    put(config, "1/encrypted.parquet")
    put(config, "1/encrypted.parquet")  # finds its own object

    head = s3_client(s3, TRANSFER).head_object(Bucket=s3.bucket, Key="1/encrypted.parquet")
    assert head["ServerSideEncryption"] == "AES256"
    link = link_of(config, "1/encrypted.parquet")
    assert (link.headers, httpx2.get(link.url).content) == ({}, BODY)


def test_the_settings_say_how_the_bucket_is_used(monkeypatch):
    for name, value in {
        "ADDRESSING": "virtual",
        "ENCRYPTION": "aws:kms",
        "KMS_KEY_ID": "a-key",
        "LINK_HEADERS": '{"x-amz-request-payer": "requester"}',
    }.items():
        monkeypatch.setenv(f"STAGING_S3_{name}", value)

    config = StoreConfig.from_settings(Settings())

    assert (config.addressing, config.encryption, config.kms_key_id, config.link_headers) == (
        "virtual",
        "aws:kms",
        "a-key",
        PAYER,
    )
