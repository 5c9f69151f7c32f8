"""Ask an S3 store as a connection says, and translate its refusals, in this one place."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004  botocore's own, the parent of its connection failures
    HTTPClientError,
)
from urllib3.exceptions import HTTPError

from staging.core.errors import SourceAuth, SourceError, SourceUnavailable
from staging.sources.addresses import checked_addresses
from staging.sources.s3_prefix import S3Prefix, endpoint_address

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

READERS = 8
"""How many requests one client makes at once."""
_CONNECT_SECONDS = 2
_SILENT_SECONDS = 10
_ATTEMPTS = 2
_SILENT = (ConnectionError, HTTPClientError, HTTPError)
_BUSY = frozenset({"RequestTimeout", "SlowDown", "Throttling", "ThrottlingException"})


def s3_client(place: S3Prefix, *, allow_link_local: bool) -> "S3Client":
    """Give a thread-safe client; it knows the connection's keys and no others.

    Raises SourceUnavailable if the endpoint's name does not resolve, SourceAuth if it leads to an
    address that the operator did not allow.
    """
    address = endpoint_address(place.endpoint or "")
    if address is not None:
        host = f"{place.bucket}.{address[0]}" if place.addressing == "virtual" else address[0]
        checked_addresses(host, address[1], allow_link_local=allow_link_local)
    return _client(replace(place, bucket="", prefix=""), _SILENT_SECONDS)


@lru_cache(maxsize=16)
def _client(place: S3Prefix, silent_seconds: float) -> "S3Client":
    """Build a client for all buckets of a store, which takes 0.15 to 0.4 s of CPU."""
    key_id, secret = place.keys or (None, None)
    return boto3.session.Session().client(
        "s3",
        endpoint_url=place.endpoint,
        region_name=place.region,
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
        config=Config(
            signature_version="s3v4" if place.keys else UNSIGNED,
            s3={"addressing_style": place.addressing},
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=silent_seconds,
            retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
            max_pool_connections=READERS,
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            ignore_configured_endpoint_urls=True,  # type: ignore[call-arg]  # newer than the stubs
        ),
    )


def status_of(refused: ClientError) -> int:
    """Give the HTTP status of a refusal."""
    return int(refused.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


@contextmanager
def asking(where: str, bucket: str) -> Iterator[None]:
    """Raise SourceUnavailable, SourceAuth or SourceError for what the store does not give.

    `where` begins the messages, which hold no key of the store and no signature.
    """
    try:
        yield
    except _SILENT as silent:
        raise SourceUnavailable(f"{where} does not answer") from silent
    except ClientError as refused:
        raise _refusal(where, bucket, refused) from refused
    except BotoCoreError as failed:
        raise SourceError(f"{where}: {type(failed).__name__}") from failed


def _refusal(where: str, bucket: str, refused: ClientError) -> SourceError:
    status = status_of(refused)
    code = str(refused.response.get("Error", {}).get("Code", status))
    if code == "NoSuchBucket":
        return SourceUnavailable(f"{where} has no bucket {bucket!r}")
    if status in {401, 403}:
        return SourceAuth(f"{where} refuses the connection's keys ({code})")
    if code in _BUSY or status >= 500 or status == 429:
        return SourceUnavailable(f"{where} is too busy ({code})")
    return SourceError(f"{where} refuses ({code})")
