"""The keys of an S3 bucket that begin with one prefix, as the root of a connection."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, Self, get_args

from staging.sources.secret_reference import read_secret

Style = Literal["path", "virtual"]
STYLES: tuple[Style, ...] = get_args(Style)
_ROOT = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?", re.DOTALL)
_ENDPOINT = re.compile(r"(https?)://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?/?")
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class S3Prefix:
    """A bucket, a prefix without slashes at its ends, and how the store is asked.

    `keys` is filled by `resolved` alone: the access key's id and its secret.  Without references
    to them requests are not signed; the service's own keys are never used.
    """

    bucket: str
    prefix: str = ""
    endpoint: str | None = None
    """Where the store is; None is AWS."""
    region: str = "us-east-1"
    addressing: Style = "path"
    """Whether the bucket stands in the `path` or in the host's name, `virtual`."""
    access_key_id: str | None = field(default=None, repr=False)
    secret_access_key: str | None = field(default=None, repr=False)
    """References, `env:NAME` or `file:PATH`, never the keys."""
    keys: tuple[str, str] | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".removesuffix("/")

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read `s3://bucket/prefix`; None if it is something else or has odd parts."""
        found = _ROOT.fullmatch(text)
        if found is None:
            return None
        prefix = (found[2] or "").strip("/")
        if prefix and {"", ".", ".."} & set(prefix.split("/")):
            return None
        return cls(found[1], prefix)

    def resolved(self, connection: str, environment: Mapping[str, str] = os.environ) -> Self:
        """Read the keys; raises SourceAuth if a reference leads nowhere."""
        if self.access_key_id is None or self.secret_access_key is None:
            return self
        keys = (
            read_secret(self.access_key_id, connection, environment, what="access_key_id"),
            read_secret(self.secret_access_key, connection, environment, what="secret_access_key"),
        )
        return replace(self, keys=keys)


def endpoint_address(endpoint: str) -> tuple[str, int] | None:
    """Give the host and port of an endpoint; None if it is not `http[s]://host[:port]`."""
    found = _ENDPOINT.fullmatch(endpoint)
    if found is None or not 0 < (port := int(found[3] or _PORTS[found[1]])) < 1 << 16:
        return None
    return found[2].strip("[]"), port
