"""The only reader of the environment: every setting, its unit, default and range."""

from datetime import timedelta
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from pydantic import DirectoryPath, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class InsecureBind(Exception):
    """The host is not the loopback, where identity headers are believed; see listen_host."""


class MissingTicketKey(Exception):
    """STAGING_TICKET_KEY is not set."""


class Settings(BaseSettings):
    """Settings of every process, read once from `STAGING_*` variables."""

    model_config = SettingsConfigDict(env_prefix="STAGING_", frozen=True, env_ignore_empty=True)

    state_dir: Path = Field(
        default=Path.home() / ".local/state/staging", description="All state of the embedded stack."
    )
    host: str = Field(
        default="127.0.0.1", description="Address the API, Flight and the metrics listen on."
    )
    port: int = Field(default=8003, ge=1, le=65535, description="Port of the API.")
    flight_port: int = Field(default=8815, ge=1, le=65535, description="Port of Arrow Flight.")
    flight_public_location: str | None = Field(
        default=None,
        description="Location that Flight endpoints advertise, `grpc://host:port`, or `grpc+tls://`"
        " with TLS.",
    )
    flight_tls_cert: Path | None = Field(
        default=None,
        description="Certificate that Flight shows, and its chain, PEM; with it Flight speaks TLS"
        " and advertises `grpc+tls://`. The same for API and Flight.",
    )
    flight_tls_key: Path | None = Field(
        default=None, description="Private key of flight_tls_cert, PEM without a passphrase."
    )
    flight_tls_client_ca: Path | None = Field(
        default=None,
        description="Authorities, PEM, one of which must have signed a caller's certificate"
        " (mutual TLS); default: callers need none.",
    )
    flight_max_streams: int = Field(
        default=32, ge=1, le=10_000, description="Concurrent DoGet streams before UNAVAILABLE."
    )
    flight_cache_dir: Path | None = Field(
        default=None,
        description="Folder of decoded chunks, of one Flight server alone; default: flight-cache in"
        " state_dir.",
    )
    flight_cache_bytes: int | None = Field(
        default=None,
        ge=0,
        description="Most that Flight keeps there, none at 0; default: a fifth of the free disk.",
    )
    flight_metrics_port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="Port on which Flight shows its metrics, on STAGING_HOST; default: none.",
    )
    worker_metrics_port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="Port on which the worker shows its metrics, on STAGING_HOST; default: none.",
    )
    temporal_metrics_port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="Port on which the worker shows those of Temporal's SDK; default: none.",
    )
    connections: Path = Field(
        default=Path("connections.toml"), description="Path of connections.toml."
    )
    catalog_url: str | None = Field(
        default=None, description="SQLAlchemy URL of the catalog; default: SQLite in state_dir."
    )
    s3_endpoint: str = Field(
        default="http://127.0.0.1:8333", description="S3 endpoint that the service itself uses."
    )
    s3_public_endpoint: str | None = Field(
        default=None, description="S3 endpoint that links are signed for; default: s3_endpoint."
    )
    s3_bucket: str = Field(default="staging", min_length=3, description="Bucket of all chunks.")
    s3_region: str = Field(default="us-east-1", description="Region that requests are signed for.")
    s3_addressing: Literal["path", "virtual"] = Field(
        default="path",
        description="Where requests and links name the bucket: `path`, or `virtual` for its own"
        " host below the endpoint's.",
    )
    s3_encryption: Literal["AES256", "aws:kms"] | None = Field(
        default=None,
        description="Encryption that is asked for when an object is put, `AES256` or `aws:kms`;"
        " default: the bucket's own.",
    )
    s3_kms_key_id: str | None = Field(
        default=None, description="Key of `aws:kms`; default: the store's own."
    )
    s3_link_headers: dict[str, str] = Field(
        default={},
        description="JSON object of headers that the bucket wants with each read: signed into"
        " links, and shown to readers as `http_headers`.",
    )
    s3_create_bucket: bool = Field(
        default=False, description="Create a missing bucket at start (embedded stack only)."
    )
    temporal_address: str = Field(default="127.0.0.1:7233", description="Temporal's gRPC address.")
    temporal_namespace: str = Field(default="default", description="Temporal's namespace.")
    ray_address: str | None = Field(
        default=None, description="Address of the Ray head's GCS, `host:port`."
    )
    node_provider: Literal["local", "ray-up", "kuberay"] = Field(
        default="local",
        description="What starts and ends Ray's nodes: `local` processes of this machine, hosts of"
        " `ray-up`, pods of `kuberay`.",
    )
    ray_cluster: str | None = Field(
        default=None,
        description="The cluster of that provider: for `ray-up` the path of its file, for `kuberay`"
        " `NAMESPACE/NAME` of its RayCluster.",
    )
    auth: Literal["header"] = Field(
        default="header", description="How callers are identified; `header` believes X-Org-ID."
    )
    insecure_bind: bool = Field(
        default=False, description="Allow a host that is not loopback (private network only)."
    )
    ticket_key: SecretStr | None = Field(
        default=None, description="Key that signs Flight tickets, the same for API and Flight."
    )
    previous_ticket_key: SecretStr | None = Field(
        default=None,
        description="Key of before, whose tickets Flight takes until they expire: set it when"
        " STAGING_TICKET_KEY is changed.",
    )
    purge_grace_seconds: int = Field(
        default=60, ge=0, description="Objects of a completed job stay readable for so long."
    )
    garbage_grace_seconds: int = Field(
        default=600, ge=0, description="Objects of ended attempts are deleted after so long."
    )
    restart_reset_seconds: int = Field(
        default=60,
        ge=0,
        description="A part of the embedded stack that was ready for so long may fail anew.",
    )
    secrets_dir: DirectoryPath | None = Field(
        default=None,
        description="Folder of files that are named like these variables and hold the values of"
        " those that the environment does not set.",
    )
    ready_file: Path | None = Field(
        default=None, description="File that the worker touches once it polls and Ray answers."
    )
    trace_endpoint: str | None = Field(
        default=None,
        description="OTLP/HTTP endpoint that traces are sent to, `http://host:4318`; needs the"
        " extra `otel`; default: no traces.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severe level that is logged."
    )

    @property
    def listen_host(self) -> str:
        """The address that servers bind; raises InsecureBind if it opens them to strangers."""
        if self.insecure_bind or self.host == "localhost" or is_loopback(self.host):
            return self.host
        raise InsecureBind(
            f"STAGING_HOST={self.host} is not the loopback, and callers are believed without proof;"
            " set STAGING_INSECURE_BIND=1 if the network is private"
        )

    @property
    def ticket_key_bytes(self) -> bytes:
        """The key of tickets and page tokens; raises MissingTicketKey."""
        if self.ticket_key is None or not self.ticket_key.get_secret_value():
            raise MissingTicketKey("set STAGING_TICKET_KEY, the same for the API and for Flight")
        return self.ticket_key.get_secret_value().encode()

    @property
    def accepted_ticket_keys(self) -> tuple[bytes, ...]:
        """The keys whose tickets are taken, the signing one first; raises MissingTicketKey."""
        before = self.previous_ticket_key.get_secret_value() if self.previous_ticket_key else ""
        return (self.ticket_key_bytes, *([before.encode()] if before else []))

    @property
    def secrets(self) -> tuple[str | None, ...]:
        """What must never be logged: keys, and the password in the catalog's URL."""
        keys = (self.ticket_key, self.previous_ticket_key)
        password = urlsplit(self.catalog_url or "").password
        return (
            *(key.get_secret_value() for key in keys if key is not None),
            password,
            None if password is None else unquote(password),
        )

    @property
    def effective_catalog_url(self) -> str:
        """The catalog's URL, SQLite under the state folder unless one is set."""
        return self.catalog_url or f"sqlite:///{self.state_dir / 'catalog.db'}"

    @property
    def effective_s3_public_endpoint(self) -> str:
        """The endpoint that consumers reach, the service's own unless one is set."""
        return self.s3_public_endpoint or self.s3_endpoint

    @property
    def effective_flight_location(self) -> str:
        """The location that Flight endpoints advertise."""
        own = f"{self.flight_scheme}://{url_host(self.host)}:{self.flight_port}"
        return self.flight_public_location or own

    @property
    def flight_scheme(self) -> str:
        """The scheme of Flight's locations."""
        return "grpc" if self.flight_tls_cert is None else "grpc+tls"

    @property
    def effective_flight_cache_dir(self) -> Path:
        """The folder of decoded chunks, below the state folder unless one is set."""
        return self.flight_cache_dir or self.state_dir / "flight-cache"

    @property
    def purge_grace(self) -> timedelta:
        """Purge grace as a duration."""
        return timedelta(seconds=self.purge_grace_seconds)

    @property
    def garbage_grace(self) -> timedelta:
        """Garbage grace as a duration."""
        return timedelta(seconds=self.garbage_grace_seconds)


def is_loopback(host: str) -> bool:
    """Tell whether the address is one of the loopback; a name never is."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def url_host(host: str) -> str:
    """Write a host as URLs have it: an IPv6 address in brackets (RFC 3986, section 3.2.2)."""
    return f"[{host}]" if ":" in host else host


@cache
def settings() -> Settings:
    """Read the environment and the folder of secrets that it names, once a process."""
    chosen = Settings()
    if chosen.secrets_dir is None:
        return chosen
    return Settings(_secrets_dir=chosen.secrets_dir)  # type: ignore[call-arg]  # no field, but taken
