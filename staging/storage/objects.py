"""Objects of the bucket: put once, fetch, list, delete."""

import hashlib
import io
from base64 import b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO, TypedDict

from botocore.exceptions import ClientError

from staging.core.errors import BucketMissing, ObjectConflict, ObjectDamaged, StorageError
from staging.storage.config import PROBE, TRANSFER, Encryption, StoreConfig, s3_client
from staging.storage.failures import code_of, refusal, status_of, translated
from staging.storage.object_body import ObjectBody, Span

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["ObjectStore", "StoreConfig", "StoredObject"]

_PUT_LIMIT_BYTES = 5 << 30
_DELETE_PAGE = 1000
_READ_BYTES = 1 << 20
_CONTENT_TYPE = "application/vnd.apache.parquet"


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object as the bucket lists it."""

    key: str
    byte_count: int
    modified_at: datetime


class ObjectStore:
    """The bucket, for the service itself; thread-safe, not picklable (its config is).

    SeaweedFS 4.48 was seen to answer 412 to `If-None-Match: *` on a key that exists, 400 BadDigest
    to a wrong `x-amz-checksum-sha256` (no object appears), and to return the hash it verified on
    PUT and on HEAD.  It creates a missing bucket on PUT, so call ensure_bucket first.
    """

    def __init__(self, config: StoreConfig) -> None:
        self._config = config
        self._client = s3_client(config, TRANSFER)

    def put_once(self, key: str, body: BinaryIO, *, sha256: str) -> None:
        """Upload a whole file under a key that nothing lives under yet; `sha256` is hex, verified.

        Idempotent for equal bytes: a repeated put finds its own object and is content.
        Raises ObjectConflict if other bytes live there, UploadCorrupted if other bytes arrived,
        StorageUnavailable if the store does not answer; whether it is stored is then unknown.
        """
        size = body.seek(0, io.SEEK_END)
        if size > _PUT_LIMIT_BYTES:
            raise StorageError(f"put {key}: {size} bytes are more than one PUT takes (5 GiB)")
        digest = b64encode(bytes.fromhex(sha256)).decode()
        body.seek(0)
        with translated(self._config, f"put {key}"):
            if self._put(key, body, digest) != digest and not self._holds(key, size, digest):
                raise ObjectConflict(f"other bytes live under {key}")

    def _put(self, key: str, body: BinaryIO, digest: str) -> str | None:
        """Put unless something is there; the hash that the store says it verified, if it says."""
        try:
            answer = self._client.put_object(
                Bucket=self._config.bucket,
                Key=key,
                Body=body,
                IfNoneMatch="*",
                ChecksumSHA256=digest,
                ContentType=_CONTENT_TYPE,
                **_encryption(self._config),
            )
        except ClientError as refused:
            if status_of(refused) != 412:
                raise
            return None
        return answer.get("ChecksumSHA256")

    def _holds(self, key: str, size: int, digest: str) -> bool:
        """Tell whether these very bytes are stored; read them back if the store keeps no hash."""
        head = self._client.head_object(Bucket=self._config.bucket, Key=key, ChecksumMode="ENABLED")
        if head["ContentLength"] != size:
            return False
        return (head.get("ChecksumSHA256") or self._read_back(key)) == digest

    def _read_back(self, key: str) -> str:
        body = self._client.get_object(Bucket=self._config.bucket, Key=key)["Body"]
        hashed = hashlib.sha256()
        for part in body.iter_chunks(_READ_BYTES):
            hashed.update(part)
        return b64encode(hashed.digest()).decode()

    def fetch(self, key: str, into: BinaryIO) -> None:
        """Write the object's bytes into an open file, in parts of 1 MiB.

        Raises ObjectMissing; after StorageUnavailable the file may hold a part.
        """
        with translated(self._config, f"get {key}"):
            body = self._client.get_object(Bucket=self._config.bucket, Key=key)["Body"]
            for part in body.iter_chunks(_READ_BYTES):
                into.write(part)

    def open(self, key: str, span: Span, *, byte_count: int) -> ObjectBody:
        """Begin to read a span of an object of so many bytes; the caller closes what it is given.

        Raises ObjectMissing, StorageUnavailable, ObjectDamaged if the object has another length.
        """
        what = f"get {key}"
        asked = f"bytes={span.start}-{span.end - 1}"
        with translated(self._config, what):
            try:
                answer = self._client.get_object(Bucket=self._config.bucket, Key=key, Range=asked)
            except ClientError as refused:
                if status_of(refused) != 416:
                    raise
                raise ObjectDamaged(f"{what}: the object is too short") from refused
        body = ObjectBody(self._config, what, answer["Body"], span.length)
        if answer.get("ContentRange") != f"{asked.replace('=', ' ')}/{byte_count}":
            body.close()
            raise ObjectDamaged(f"{what}: the object does not have {byte_count} bytes")
        return body

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects, 1000 a request; keys that are not there are fine."""
        remaining = iter(keys)
        while page := list(islice(remaining, _DELETE_PAGE)):
            with translated(self._config, f"delete {len(page)} objects"):
                answer = self._client.delete_objects(
                    Bucket=self._config.bucket,
                    Delete={"Objects": [{"Key": key} for key in page], "Quiet": True},
                )
            for error in answer.get("Errors", []):
                what = f"delete {error.get('Key')}"
                raise refusal(self._config, what, str(error.get("Code")), 200)

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """Go through the objects whose key starts with the prefix, in the order of keys."""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._config.bucket, Prefix=prefix
        )
        with translated(self._config, f"list {prefix!r}"):
            for page in pages:
                for found in page.get("Contents", []):
                    yield StoredObject(found["Key"], found["Size"], found["LastModified"])

    def ensure_bucket(self, *, create: bool) -> None:
        """Raise BucketMissing unless the bucket is there; make it instead if `create`."""
        try:
            self.check()
        except BucketMissing:
            if not create:
                raise
            with translated(self._config, f"create bucket {self._config.bucket!r}"):
                self._create_bucket()

    def _create_bucket(self) -> None:
        try:
            self._client.create_bucket(Bucket=self._config.bucket)
        except ClientError as refused:
            if code_of(refused) not in {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}:
                raise

    def check(self) -> None:
        """Raise BucketMissing or StorageUnavailable unless the bucket answers within 3 s."""
        with translated(self._config, f"look for bucket {self._config.bucket!r}"):
            try:
                self._probe.head_bucket(Bucket=self._config.bucket)
            except ClientError as refused:
                if status_of(refused) != 404:
                    raise
                raise refusal(self._config, "", "NoSuchBucket", 404) from refused

    @cached_property
    def _probe(self) -> "S3Client":
        return s3_client(self._config, PROBE)

    def abort_unfinished_uploads(self, older_than: datetime) -> int:
        """Abort multipart uploads that were begun before a moment; return how many."""
        pages = self._client.get_paginator("list_multipart_uploads").paginate(
            Bucket=self._config.bucket
        )
        aborted = 0
        with translated(self._config, "abort unfinished uploads"):
            for upload in [each for page in pages for each in page.get("Uploads", [])]:
                if upload["Initiated"] < older_than:
                    self._client.abort_multipart_upload(
                        Bucket=self._config.bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                    )
                    aborted += 1
        return aborted


class _Encryption(TypedDict, total=False):
    ServerSideEncryption: Encryption
    SSEKMSKeyId: str


def _encryption(config: StoreConfig) -> _Encryption:
    """Give the arguments by which a put asks for encryption; without, the bucket decides."""
    asked: _Encryption = {}
    if config.encryption is not None:
        asked["ServerSideEncryption"] = config.encryption
    if config.kms_key_id is not None:
        asked["SSEKMSKeyId"] = config.kms_key_id
    return asked
