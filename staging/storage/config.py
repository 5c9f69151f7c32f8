"""Where the bucket is, and how long its clients wait."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

import boto3
from botocore.config import Config
from botocore.credentials import RefreshableCredentials

from staging.redaction import conceal

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Addressing: TypeAlias = Literal["path", "virtual"]
Encryption: TypeAlias = Literal["AES256", "aws:kms"]


class StoreSettings(Protocol):
    """The settings that say where the bucket is."""

    @property
    def s3_endpoint(self) -> str: ...  # noqa: D102
    @property
    def effective_s3_public_endpoint(self) -> str: ...  # noqa: D102
    @property
    def s3_bucket(self) -> str: ...  # noqa: D102
    @property
    def s3_region(self) -> str: ...  # noqa: D102
    @property
    def s3_addressing(self) -> Addressing: ...  # noqa: D102
    @property
    def s3_encryption(self) -> Encryption | None: ...  # noqa: D102
    @property
    def s3_kms_key_id(self) -> str | None: ...  # noqa: D102
    @property
    def s3_link_headers(self) -> Mapping[str, str]: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class StoreConfig:
    """One bucket: `endpoint` is the service's own way to it, links name `public_endpoint`.

    Objects are put with `encryption` where one is named; `link_headers` are what every reader of a
    link has to send.
    Holds no credentials: those come from boto3's own chain (`AWS_*` first), in each process.
    """

    endpoint: str
    public_endpoint: str
    bucket: str
    region: str
    addressing: Addressing = "path"
    encryption: Encryption | None = None
    kms_key_id: str | None = None
    link_headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def from_settings(cls, settings: StoreSettings) -> "StoreConfig":
        """Take the settings' bucket."""
        return cls(
            endpoint=settings.s3_endpoint,
            public_endpoint=settings.effective_s3_public_endpoint,
            bucket=settings.s3_bucket,
            region=settings.s3_region,
            addressing=settings.s3_addressing,
            encryption=settings.s3_encryption,
            kms_key_id=settings.s3_kms_key_id,
            link_headers=tuple(settings.s3_link_headers.items()),
        )

    @property
    def public_bucket(self) -> str:
        """The URL, without a slash at its end, below which consumers find the bucket's keys."""
        endpoint = self.public_endpoint.rstrip("/")
        if self.addressing == "path":
            return f"{endpoint}/{self.bucket}"
        scheme, _, rest = endpoint.partition("://")
        return f"{scheme}://{self.bucket}.{rest}"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one request may wait, and how often it is made."""

    connect_seconds: float
    read_seconds: float
    attempts: int


TRANSFER = Patience(connect_seconds=2, read_seconds=10, attempts=2)
"""For objects: a closed port is noticed within 3 s, a silent store within 25 s."""
PROBE = Patience(connect_seconds=1, read_seconds=2, attempts=1)
"""For readiness: an answer within 3 s, or none."""


def s3_client(config: StoreConfig, patience: Patience) -> "S3Client":
    """Build a thread-safe client (about 0.1 s): SigV4, no checksum but those given.

    Standing credentials are never logged by this process; those that are renewed are not known
    before a request needs them.
    """
    session = boto3.session.Session()
    credentials = session.get_credentials()
    if credentials is not None and not isinstance(credentials, RefreshableCredentials):
        conceal((credentials.secret_key, credentials.token))
    return session.client(
        "s3",
        endpoint_url=config.endpoint,
        region_name=config.region,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": config.addressing},
            connect_timeout=patience.connect_seconds,
            read_timeout=patience.read_seconds,
            retries={"mode": "standard", "total_max_attempts": patience.attempts},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            tcp_keepalive=True,
        ),
    )
