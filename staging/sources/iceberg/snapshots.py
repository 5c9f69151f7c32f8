"""Choose the snapshot of a table that a job reads: the current one, or by id or time."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Snapshot

from staging.core.errors import FieldError, InvalidValue, SourceUnsupported

_VERSION = "#/source/version"
_SHOWN = 3
_ID = re.compile(r"\d{1,19}", re.ASCII)


def chosen_snapshot(metadata: TableMetadata, asked: object) -> Snapshot | None:
    """Give the snapshot asked for; None if the table has none yet.

    A time means the snapshot that was current then.  Raises InvalidValue if there is none.
    """
    if asked is None:
        return _current(metadata)
    number = _snapshot_id(metadata, asked)
    found = metadata.snapshot_by_id(number) if number is not None else None
    if found is None:
        raise _bad_version(metadata.snapshots)
    return found


def _current(metadata: TableMetadata) -> Snapshot | None:
    found = metadata.current_snapshot()
    if found is None and (metadata.current_snapshot_id is not None or metadata.snapshot_log):
        raise SourceUnsupported("the table's current snapshot is not among its snapshots")
    return found


def _snapshot_id(metadata: TableMetadata, asked: object) -> int | None:
    if isinstance(asked, str) and not _ID.fullmatch(asked):
        return _current_at(metadata, asked)
    if isinstance(asked, bool) or not isinstance(asked, int | str):
        return None
    return int(asked)


def _current_at(metadata: TableMetadata, text: str) -> int | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    at = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    since = [each for each in metadata.snapshot_log if _time(each.timestamp_ms) <= at]
    return since[-1].snapshot_id if since else None


def _time(milliseconds: int) -> datetime:
    seconds, rest = divmod(milliseconds, 1000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest * 1000)


def _bad_version(snapshots: Sequence[Snapshot]) -> InvalidValue:
    newest = sorted(snapshots, key=lambda each: each.timestamp_ms)[-_SHOWN:]
    listed = ", ".join(f"{each.snapshot_id} ({_shown(each.timestamp_ms)})" for each in newest)
    detail = (
        f"the table has {len(snapshots)} snapshots{', the newest: ' if listed else ''}{listed}; "
        "give an id, or a time as text, 2026-01-02T03:04:05Z"
    )
    return InvalidValue(detail, [FieldError(_VERSION, detail)])


def _shown(milliseconds: int) -> str:
    return _time(milliseconds).isoformat(timespec="milliseconds").replace("+00:00", "Z")
