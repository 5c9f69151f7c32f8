"""What every kind of source offers: describe, hold, split, read."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Protocol, Self

import pyarrow as pa

from staging.core.errors import SourceError
from staging.core.manifest import Snapshot, SnapshotClass
from staging.core.source_spec import SourceSpec
from staging.sources.sizing import Sizing

FAIL, NULL = "fail", "null"
"""The policies for a value that no Arrow type of its column holds."""


class ReadCancelled(SourceError):
    """The read was cancelled; nothing of it may be used."""

    code = "read_cancelled"
    retryable = True


@dataclass(frozen=True, slots=True)
class Split:
    """How a source is read: one schema, one instant, and the bounds of each partition."""

    schema: pa.Schema
    snapshot: Snapshot
    bounds: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """One partition to read; `schema` is the job's, `session_name` tells attempts apart."""

    spec: SourceSpec
    bounds: Mapping[str, Any]
    schema: pa.Schema
    snapshot: Snapshot | None
    session_name: str
    on_unrepresentable: str = FAIL


def planned_spec(request: ReadRequest) -> SourceSpec:
    """Name the planned columns one by one, so that a column added since does not disturb."""
    return replace(request.spec, columns=tuple(request.schema.names))


class Reading(Protocol):
    """One partition being read; a context manager whose end frees the source's connection.

    Iterates once over record batches of exactly the request's schema, in bounded memory.
    """

    @property
    def nulled(self) -> Mapping[str, int]:
        """Count the values that became NULL so far, by column (policy `null`)."""
        ...

    def cancel(self) -> None:
        """Stop the read from another thread, on the source's server too.

        Safe at any time, also before the first batch and after the last; the iteration then
        raises ReadCancelled.  Returns when the source has stopped, or after a few seconds.
        """
        ...

    def __iter__(self) -> Iterator[pa.RecordBatch]: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class Holder(Protocol):
    """A connection that keeps a snapshot open; readers join it through `export`."""

    export: str

    def is_alive(self) -> bool:
        """Tell whether the snapshot can still be joined through this holder."""
        ...

    def close(self) -> None:
        """Let the snapshot go; safe to call twice."""
        ...


class Source(Protocol):
    """One connection, read as one kind.  Nothing is opened before a method is called."""

    snapshot_class: SnapshotClass
    """What `consistency: snapshot` gives."""

    def describe(self, spec: SourceSpec) -> pa.Schema:
        """Give the Arrow schema that the job will have.

        Raises UnknownTable, UnknownColumn, InvalidValue with pointers and the nearest names,
        SourceUnavailable, SourceAuth, SourceUnsupported.
        """
        ...

    def hold(self, exports: Sequence[str]) -> Holder | None:
        """Export a new snapshot, or join the first living export and export it again.

        None for kinds that need no holder.  Raises SnapshotLost if none of the exports lives.
        """
        ...

    def split(self, spec: SourceSpec, snapshot: Snapshot | None, sizing: Sizing) -> Split:
        """Cut the source into partitions of about the size that is asked for.

        Without a snapshot, a source that needs holders is read at best effort.
        """
        ...

    def read(self, request: ReadRequest) -> Reading:
        """Open one partition; the source is asked when the iteration starts."""
        ...
