"""Which problems each operation may answer with, and an example of each."""

from collections.abc import Mapping, Sequence

from api.errors import (
    BodyTooLarge,
    ForeignOrigin,
    NotJson,
    NotReady,
    RangeNotSatisfiable,
    UnsupportedMediaType,
    status_of,
)
from api.examples import CHUNK_ID, JOB_ID
from staging.core.errors import (
    BadIdentity,
    BadPageToken,
    BadRequest,
    CatalogUnavailable,
    ChecksumMismatch,
    FieldError,
    Gone,
    IdempotencyMismatch,
    InvalidValue,
    NotSealed,
    ObjectDamaged,
    StagingError,
    StateConflict,
    StorageError,
    StorageUnavailable,
    TooBusy,
    Unavailable,
    UndeclaredConsumer,
    UnknownChunk,
    UnknownColumn,
    UnknownConnection,
    UnknownJob,
    UnknownTable,
)


def _at(kind: type[InvalidValue], pointer: str, detail: str) -> InvalidValue:
    return kind(detail, [FieldError(pointer, detail)])


_NO_JOB = UnknownJob(f"there is no job {JOB_ID}")
_NO_CHUNK = UnknownChunk(f"job {JOB_ID} has no chunk {CHUNK_ID}")
_BODY = (NotJson(), UnsupportedMediaType())
_FOREIGN = ForeignOrigin()
_GONE = Gone(f"chunk 0 of job {JOB_ID} is gone: the job is expired", reason="expired")
_BAD_PAGE = _at(InvalidValue, "#/query/page_size", "Input should be less than or equal to 200")
_BOTH = BadRequest("give page_token or since_index, not both")
_NO_PARAMETER = _at(InvalidValue, "#/query/colour", "the operation takes no such parameter")
_STEERED = (_FOREIGN, _NO_JOB, _NO_PARAMETER)
_BAD_LINK = _at(InvalidValue, "#/query/url_ttl_seconds", "Input should be at least 1")
_COMMON = (BadIdentity(), BodyTooLarge(), StagingError(), CatalogUnavailable())
_OF_THE_ROOT = (BodyTooLarge(), StagingError())


def _conflict(state: str, action: str, allowed: Sequence[str]) -> StateConflict:
    detail = f"job {JOB_ID} is {state}: {action} is not possible; possible: {', '.join(allowed)}"
    return StateConflict(detail, current_state=state, allowed=allowed)


_PROBLEMS: Mapping[str, Sequence[StagingError]] = {
    "create_job": (
        *_BODY,
        _FOREIGN,
        _at(InvalidValue, "#/options/ttl_seconds", "Input should be greater than or equal to 1"),
        _at(
            UnknownConnection,
            "#/source/connection",
            "there is no connection 'warehose'; nearest: warehouse",
        ),
        _at(UnknownTable, "#/source/table", "there is no table 'lineitm'; nearest: lineitem"),
        _at(UnknownColumn, "#/source/columns/0", "there is no column 'idd'; nearest: id"),
        _at(
            IdempotencyMismatch,
            "#/header/Idempotency-Key",
            f"the Idempotency-Key made job {JOB_ID} from another body; choose a new key",
        ),
        Unavailable("connections.toml is not valid TOML; no connection can be used"),
    ),
    "list_jobs": (BadPageToken(), _BAD_PAGE),
    "read_job": (BadPageToken(), _BOTH, _NO_JOB, _BAD_PAGE, StorageError()),
    "amend_job": (
        *_BODY,
        _FOREIGN,
        _NO_JOB,
        _NO_PARAMETER,
        _at(InvalidValue, "#/ttl_seconds", "Input should be greater than or equal to 1"),
        StateConflict(
            f"job {JOB_ID} is expired: its TTL cannot change any more; possible: cancel",
            current_state="expired",
            allowed=("cancel",),
        ),
        StorageError(),
    ),
    "follow_job": (
        _NO_JOB,
        _NO_PARAMETER,
        _at(InvalidValue, "#/header/Last-Event-ID", "String should match pattern"),
        StorageError(),
    ),
    "cancel_job": _STEERED,
    "pause_job": (*_STEERED, _conflict("staged", "pause", ("cancel", "ack"))),
    "resume_job": (*_STEERED, _conflict("staged", "resume", ("cancel", "ack"))),
    "read_manifest": (
        _NO_JOB,
        _NO_PARAMETER,
        NotSealed(
            f"the manifest of job {JOB_ID} is not sealed: the job is running",
            current_state="running",
            allowed=("pause", "resume", "cancel", "ack"),
        ),
    ),
    "read_nodes": (_NO_JOB, _NO_PARAMETER),
    "list_chunks": (BadPageToken(), _BOTH, _NO_JOB, _BAD_PAGE, StorageError()),
    "read_chunk_data": (
        _NO_JOB,
        _NO_CHUNK,
        _NO_PARAMETER,
        _GONE,
        RangeNotSatisfiable(3_345_678),
        ObjectDamaged(),
        StorageUnavailable(),
        TooBusy("all streams are in use; try again in a moment"),
    ),
    "acknowledge_chunk": (
        *_BODY,
        _FOREIGN,
        _NO_JOB,
        _NO_CHUNK,
        _GONE,
        _at(InvalidValue, "#/sha256", "String should match pattern '^[0-9a-fA-F]{64}$'"),
        _at(
            UndeclaredConsumer,
            "#/consumer",
            f"job {JOB_ID} has no consumer 'rank-9'; it declares rank-0, rank-1",
        ),
        _at(
            ChecksumMismatch,
            "#/sha256",
            f"the SHA-256 is not that of chunk 0 of job {JOB_ID}; "
            "read the chunk again before acknowledging it",
        ),
    ),
    "refresh_chunk": (_NO_JOB, _NO_CHUNK, _GONE, _BAD_LINK, StorageError()),
    "list_connections": (
        _NO_PARAMETER,
        Unavailable("connections.toml is not valid TOML; no connection can be used"),
    ),
    "check_health": (),
    "check_readiness": (
        NotReady(
            {
                "catalog": {"state": "up", "required": True, "detail": None},
                "store": {
                    "state": "down",
                    "required": True,
                    "detail": "look for bucket 'staging': it does not answer",
                },
                "temporal": {"state": "up", "required": False, "detail": None},
            }
        ),
    ),
    "read_version": (),
    "read_metrics": (),
}
"""By the name of the operation."""


def problems_of(operation: str, *, is_prefixed: bool) -> dict[int, list[StagingError]]:
    """Give an example of each problem of an operation, by status."""
    found: dict[int, list[StagingError]] = {}
    for each in (*_PROBLEMS[operation], *(_COMMON if is_prefixed else _OF_THE_ROOT)):
        found.setdefault(status_of(type(each)), []).append(each)
    return dict(sorted(found.items()))
