"""Prefixes of the tests' bucket, as the roots of connections."""

import os
import uuid
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from staging.core.source_spec import SourceSpec
from staging.sources.connection import Connection
from staging.sources.kinds import source_for
from staging.sources.s3_prefix import S3Prefix
from staging.sources.source import Source
from staging.storage.config import TRANSFER, StoreConfig, s3_client

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class BucketRoot:
    """A prefix of its own; what is put lies below it."""

    client: "S3Client"
    place: S3Prefix

    def source(self, kind: str, **changes: object) -> Source:
        return source_for(Connection("shelf", kind, root=self.place, **changes))

    def spec(self, path: str, **changes: object) -> SourceSpec:
        return SourceSpec("shelf", path=path, **changes)

    def put(self, path: str, body: bytes) -> None:
        self.client.put_object(Bucket=self.place.bucket, Key=self.key(path), Body=body)

    def upload(self, folder: Path, below: str = "", only: str = "*") -> None:
        """Put every file below a folder."""
        for file in sorted(each for each in folder.rglob(only) if each.is_file()):
            name = file.relative_to(folder).as_posix()
            self.put(f"{below}/{name}" if below else name, file.read_bytes())

    def delete(self, path: str) -> None:
        self.client.delete_object(Bucket=self.place.bucket, Key=self.key(path))

    def key(self, path: str) -> str:
        return f"{self.place.prefix}/{path}"


def new_root(
    store: StoreConfig, bucket: str | None = None, prefix: str | None = None
) -> BucketRoot:
    """Give an empty prefix, read with the keys of the running store."""
    keys = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
    prefix = prefix or f"roots/{uuid.uuid4().hex}"
    place = S3Prefix(bucket or store.bucket, prefix, store.endpoint, store.region, keys=keys)
    return BucketRoot(_client(store), place)


@cache
def _client(store: StoreConfig) -> "S3Client":
    return s3_client(store, TRANSFER)
