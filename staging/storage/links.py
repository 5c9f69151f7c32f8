"""Links: presigned URLs through which a consumer reads an object without credentials."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import quote

import botocore.session
import obstore
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials, ReadOnlyCredentials
from obstore.exceptions import BaseError
from obstore.store import S3Store

from staging.core.errors import StorageError
from staging.storage.config import StoreConfig

if TYPE_CHECKING:
    from obstore.store import S3Credential

LONGEST = timedelta(days=7)
"""Signature Version 4 knows no longer life."""
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Link:
    """A presigned GET; a secret, so its repr hides the URL.  `headers` must be sent with it."""

    url: str = field(repr=False)
    expires_at: datetime
    headers: Mapping[str, str] = field(default_factory=dict)


class LinkSigner:
    """Signs links for the public endpoint (SigV4, GET only); thread-safe, no network.

    A page of 1000 links costs 10 ms here and 226 ms in boto3 (measured), which is why obstore
    signs; it knows no headers, so where the bucket wants some, botocore's own signer does it.
    Credentials are boto3's own chain all the same.  SeaweedFS 4.48 answers 403 to a link
    that expired, was altered, came by another host name, or is asked with HEAD.
    """

    def __init__(self, config: StoreConfig) -> None:
        self._config = config
        self._signing: tuple[ReadOnlyCredentials, S3Store] | None = None

    def sign(self, key: str, *, lifetime: timedelta, now: datetime) -> Link:
        """Sign one link; see sign_many."""
        return self.sign_many([key], lifetime=lifetime, now=now)[0]

    def sign_many(self, keys: Sequence[str], *, lifetime: timedelta, now: datetime) -> list[Link]:
        """Sign a link for each key, in order, for whole seconds: 1 at least, 7 days at most.

        `expires_at` is when the link ends by its own text, or `now + lifetime`, or the end of
        the credential that signs, whichever comes first.
        Raises StorageError if there are no credentials.
        """
        frozen, ends_at = self._frozen()
        until = min(now + min(lifetime, LONGEST), ends_at or datetime.max.replace(tzinfo=UTC))
        life = max(_SECOND, (until - now) // _SECOND * _SECOND)
        headers = dict(self._config.link_headers)
        if headers:
            urls = [_signed_with_headers(self._config, frozen, key, life) for key in keys]
        else:
            urls = self._signed(frozen, keys, life)
        stamps = [_stamp(url) for url in urls]
        ends = {each: min(until, datetime.fromisoformat(each) + life) for each in set(stamps)}
        return [Link(url, ends[stamp], headers) for url, stamp in zip(urls, stamps, strict=True)]

    def _signed(
        self, credentials: ReadOnlyCredentials, keys: Sequence[str], life: timedelta
    ) -> list[str]:
        if self._signing is None or self._signing[0] != credentials:
            self._signing = (credentials, _signing_store(self._config, credentials))
        try:
            return list(obstore.sign(self._signing[1], "GET", list(keys), life))
        except BaseError as failed:
            raise StorageError(f"sign {len(keys)} links: {type(failed).__name__}") from failed

    def _frozen(self) -> tuple[ReadOnlyCredentials, datetime | None]:
        """Give the credentials as they are now, and their end."""
        credentials = self._credentials
        # botocore names the end of refreshable credentials in no public way
        return credentials.get_frozen_credentials(), getattr(credentials, "_expiry_time", None)

    @cached_property
    def _credentials(self) -> Credentials:
        found = botocore.session.get_session().get_credentials()
        if found is None:
            raise StorageError("no S3 credentials; set AWS_ACCESS_KEY_ID and its secret")
        return found


def _signing_store(config: StoreConfig, credentials: ReadOnlyCredentials) -> S3Store:
    def provide() -> "S3Credential":
        return {
            "access_key_id": credentials.access_key or "",
            "secret_access_key": credentials.secret_key or "",
            "token": credentials.token,
            "expires_at": None,
        }

    is_virtual = config.addressing == "virtual"
    # every option is named, because obstore takes those that are not from the environment
    return S3Store(
        config.bucket,
        aws_endpoint_url_s3=config.public_bucket if is_virtual else config.public_endpoint,
        region=config.region,
        virtual_hosted_style_request=is_virtual,
        skip_signature=False,
        s3_express=False,
        client_options={"allow_http": True},
        credential_provider=provide,
    )


def _signed_with_headers(
    config: StoreConfig, credentials: ReadOnlyCredentials, key: str, life: timedelta
) -> str:
    url = f"{config.public_bucket}/{quote(key, safe='/~')}"
    request = AWSRequest("GET", url, headers=dict(config.link_headers))
    seconds = int(life.total_seconds())
    S3SigV4QueryAuth(credentials, "s3", config.region, expires=seconds).add_auth(request)
    return str(request.url)


def _stamp(url: str) -> str:
    """Read from a link when it was signed, to the second."""
    return url.partition("&X-Amz-Date=")[2].partition("&")[0]
