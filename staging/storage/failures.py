"""Translate what botocore raises into the service's own errors, in this one place."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004  botocore's own, the parent of its connection failures
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
)

from staging.core.errors import (
    BucketMissing,
    ObjectMissing,
    StagingError,
    StorageError,
    StorageUnavailable,
    UploadCorrupted,
)
from staging.storage.config import StoreConfig

_SILENT = (ConnectionError, HTTPClientError, IncompleteReadError)
_NO_CREDENTIALS = (NoCredentialsError, PartialCredentialsError)
_BUSY = frozenset(
    {"ConditionalRequestConflict", "InternalError", "RequestTimeout", "ServiceUnavailable"}
    | {"SlowDown", "Throttling", "ThrottlingException"}
)


def status_of(refused: ClientError) -> int:
    """Give the HTTP status of a refusal."""
    return int(refused.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def code_of(refused: ClientError) -> str:
    """Give the store's own code of a refusal, `NoSuchKey`; `404` where it had no body."""
    return str(refused.response.get("Error", {}).get("Code", status_of(refused)))


@contextmanager
def translated(config: StoreConfig, what: str) -> Iterator[None]:
    """Raise StorageUnavailable, StorageError or a child of it for botocore's errors.

    `what` names the step in the message, `put 1/…/0.parquet`; messages hold no secret.
    """
    try:
        yield
    except _SILENT as silent:
        raise StorageUnavailable(f"{what}: {config.endpoint} does not answer") from silent
    except _NO_CREDENTIALS as missing:
        raise StorageError(
            f"{what}: no S3 credentials; set AWS_ACCESS_KEY_ID and its secret"
        ) from (missing)
    except ClientError as refused:
        raise refusal(config, what, code_of(refused), status_of(refused)) from refused
    except BotoCoreError as failed:
        raise StorageError(f"{what}: {type(failed).__name__}") from failed


def refusal(config: StoreConfig, what: str, code: str, status: int) -> StagingError:
    """Choose the error for a code of the store."""
    if code == "NoSuchBucket":
        return BucketMissing(
            f"bucket {config.bucket!r} does not exist; create it or set STAGING_S3_BUCKET"
        )
    if code == "BadDigest":
        return UploadCorrupted(f"{what}: the bytes that arrived have another SHA-256")
    if code in {"NoSuchKey", "404"}:
        return ObjectMissing(f"{what}: there is no such object")
    if code in _BUSY or status >= 500 or status == 429:
        return StorageUnavailable(f"{what}: the store answers {code}")
    return StorageError(f"{what}: the store answers {code}")
