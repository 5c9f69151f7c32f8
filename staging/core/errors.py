"""Every failure the service names, as one tree.

    StagingError
    ├── BadRequest                 BadIdentity, BadPageToken
    ├── InvalidValue               UnknownConnection, UnknownTable, UnknownColumn,
    │                              UndeclaredConsumer, ChecksumMismatch, IdempotencyMismatch
    ├── NotFound                   UnknownJob, UnknownChunk
    ├── StateConflict              NotSealed
    ├── Gone
    ├── BadTicket                  ExpiredTicket, ForeignTicket
    ├── StaleAttempt
    ├── OutOfMemory
    ├── SourceError                SourceUnavailable, SourceAuth, SourceChanged, SnapshotLost,
    │                              SourceUnsupported, Unrepresentable
    └── Unavailable                CatalogUnavailable, StorageUnavailable, ClusterUnavailable,
                                   OrchestrationUnavailable, TooBusy
        StorageError               ObjectConflict, ObjectMissing, ObjectDamaged, UploadCorrupted,
                                   BucketMissing

`code` is the slug that clients see; `retryable` says whether the same step may succeed when it
is done again.  The docstring of a class is its default message.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


class StagingError(Exception):
    """Something went wrong in the staging service."""

    code: ClassVar[str] = "internal"
    retryable: ClassVar[bool] = False

    def __init__(self, detail: str | None = None) -> None:
        self.detail = detail or (type(self).__doc__ or "").splitlines()[0]
        super().__init__(self.detail)


class BadRequest(StagingError):
    """The request cannot be read."""

    code = "bad_request"


class BadIdentity(BadRequest):
    """X-Org-ID is an integer from 1 to 2^63 - 1, X-User-ID at most 128 printable characters."""

    code = "bad_identity"


class BadPageToken(BadRequest):
    """The page token is not one that this listing gave out; start again without it."""

    code = "bad_page_token"


@dataclass(frozen=True, slots=True)
class FieldError:
    """One invalid place of a request body; `pointer` is an RFC 6901 pointer, `#/source/table`."""

    pointer: str
    detail: str


class InvalidValue(StagingError):
    """A value in the request is not valid."""

    code = "invalid_value"

    def __init__(self, detail: str | None = None, errors: Sequence[FieldError] = ()) -> None:
        super().__init__(detail)
        self.errors = tuple(errors)


class UnknownConnection(InvalidValue):
    """The organisation has no connection of that name."""

    code = "unknown_connection"


class UnknownTable(InvalidValue):
    """The connection has no such table or path."""

    code = "unknown_table"


class UnknownColumn(InvalidValue):
    """The table has no such column."""

    code = "unknown_column"


class UndeclaredConsumer(InvalidValue):
    """The job does not declare that consumer."""

    code = "undeclared_consumer"


class ChecksumMismatch(InvalidValue):
    """The SHA-256 is not the chunk's; read the chunk again before acknowledging it."""

    code = "checksum_mismatch"


class IdempotencyMismatch(InvalidValue):
    """The Idempotency-Key was used with another body; choose a new key."""

    code = "idempotency_mismatch"


class NotFound(StagingError):
    """There is nothing of that name here."""

    code = "not_found"


class UnknownJob(NotFound):
    """There is no such job."""


class UnknownChunk(NotFound):
    """There is no such chunk."""


class StateConflict(StagingError):
    """The job's state does not allow it."""

    code = "state_conflict"

    def __init__(self, detail: str, *, current_state: str, allowed: Sequence[str]) -> None:
        super().__init__(detail)
        self.current_state = current_state
        self.allowed = tuple(allowed)


class NotSealed(StateConflict):
    """The manifest is not sealed yet."""

    code = "not_sealed"


class Gone(StagingError):
    """The chunks were deleted; `reason` is expired, completed, cancelled or failed."""

    code = "gone"

    def __init__(self, detail: str, *, reason: str) -> None:
        super().__init__(detail)
        self.reason = reason


class BadTicket(StagingError):
    """The ticket is not one that this service signed."""

    code = "bad_ticket"


class ExpiredTicket(BadTicket):
    """The ticket has expired; ask for the flight again."""

    code = "expired_ticket"


class ForeignTicket(BadTicket):
    """The ticket belongs to another organisation."""

    code = "foreign_ticket"


class StaleAttempt(StagingError):
    """A later attempt holds the fence, or the job no longer publishes."""

    code = "stale_attempt"


class SourceError(StagingError):
    """The source could not be read."""

    code = "source_error"


class SourceUnavailable(SourceError):
    """The source does not answer."""

    code = "source_unavailable"
    retryable = True


class SourceAuth(SourceError):
    """The source refuses the connection's credentials."""

    code = "source_auth"


class SourceChanged(SourceError):
    """The source changed its shape or its files while it was read."""

    code = "source_changed"


class SnapshotLost(SourceError):
    """Every holder of the snapshot is gone and chunks of it are already published."""

    code = "snapshot_lost"


class SourceUnsupported(SourceError):
    """The source has something that this service cannot stage exactly."""

    code = "source_unsupported"


class Unrepresentable(SourceError):
    """A value has no exact form in its column's Arrow type."""

    code = "unrepresentable_value"


class StorageError(StagingError):
    """The object store refused."""

    code = "storage_error"


class ObjectConflict(StorageError):
    """Another object lives under that key."""

    code = "object_conflict"


class ObjectMissing(StorageError):
    """There is no object under that key."""

    code = "object_missing"


class ObjectDamaged(StorageError):
    """The stored object is not the one that was published."""

    code = "object_damaged"


class UploadCorrupted(StorageError):
    """The bytes that arrived are not the bytes that were sent; send them again."""

    code = "upload_corrupted"
    retryable = True


class BucketMissing(StorageError):
    """The bucket does not exist; create it or set STAGING_S3_BUCKET."""

    code = "bucket_missing"


class Unavailable(StagingError):
    """A part of the service is down; try again later."""

    code = "unavailable"
    retryable = True


class CatalogUnavailable(Unavailable):
    """The catalog does not answer or cannot be written."""

    code = "catalog_unavailable"


class StorageUnavailable(Unavailable):
    """The object store does not answer."""

    code = "storage_unavailable"


class ClusterUnavailable(Unavailable):
    """The Ray cluster does not answer, or lost the task."""

    code = "cluster_unavailable"


class OutOfMemory(StagingError):
    """The node had no memory left for the extraction task."""

    code = "out_of_memory"
    retryable = True


class OrchestrationUnavailable(Unavailable):
    """Temporal does not answer."""

    code = "orchestration_unavailable"


class TooBusy(Unavailable):
    """All streams are in use."""

    code = "too_busy"
