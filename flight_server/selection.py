"""Read what a caller wants: a descriptor's path or command."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pyarrow import flight

from staging.core.errors import FieldError, InvalidValue
from staging.core.jobs import JobState

MAX_CHUNKS = 10_000
MAX_LISTED = 1_000
_FORM = "the path [job_id] or [job_id, chunk_index], or a command of JSON with job_id"


@dataclass(frozen=True, slots=True)
class Selection:
    """A job, or one chunk of it, or the chunks from `since_index` on; `columns` None means all."""

    job_id: str
    chunk_ref: str | None = None
    columns: tuple[str, ...] | None = None
    since_index: int = 0
    max_chunks: int | None = None


def read_descriptor(descriptor: flight.FlightDescriptor) -> Selection:
    """Read a descriptor of either form; raises InvalidValue."""
    if descriptor.descriptor_type == flight.DescriptorType.PATH:
        return _of_path([_text(part) for part in descriptor.path])
    if descriptor.descriptor_type == flight.DescriptorType.CMD:
        return _of_command(read_object(descriptor.command))
    raise InvalidValue(f"give {_FORM}")


@dataclass(frozen=True, slots=True)
class Listing:
    """Which jobs to list: at most `limit`, those older than `before`, those in a state."""

    state: JobState | None = None
    before: str | None = None
    limit: int = MAX_LISTED


def read_criteria(criteria: bytes) -> Listing:
    """Read the criteria of ListFlights: nothing, or JSON; raises InvalidValue."""
    if not criteria:
        return Listing()
    given = read_object(criteria)
    check_known(given, dict.fromkeys(("state", "before", "limit")))
    state = text_field(given, "state")
    if state is not None and state not in set(JobState):
        raise _invalid("state", f"give one of {', '.join(JobState)}")
    return Listing(
        JobState(state) if state else None,
        text_field(given, "before"),
        count_field(given, "limit", 1, MAX_LISTED) or MAX_LISTED,
    )


def read_object(given: bytes) -> dict[str, Any]:
    """Read a JSON object; raises InvalidValue."""
    try:
        found = json.loads(given)
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise InvalidValue("give texts without half a surrogate pair") from None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InvalidValue("give a JSON object")
    return found


def check_known(given: Mapping[str, Any], known: Mapping[str, object]) -> None:
    """Raise InvalidValue if the object has a field that is not known."""
    unknown = [FieldError(f"#/{name}", "unknown field") for name in given if name not in known]
    if unknown:
        raise InvalidValue(errors=unknown)


def text_field(given: Mapping[str, Any], name: str) -> str | None:
    """Take an optional string; raises InvalidValue."""
    value = given.get(name)
    if value is not None and not isinstance(value, str):
        raise _invalid(name, "give a string")
    return value


def count_field(given: Mapping[str, Any], name: str, least: int, most: int) -> int | None:
    """Take an optional whole number within bounds, both inclusive; raises InvalidValue."""
    value = given.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise _invalid(name, f"give a whole number from {least} to {most}")
    return value


def required_text(given: Mapping[str, Any], name: str) -> str:
    """Take a string that must be there; raises InvalidValue."""
    value = text_field(given, name)
    if value is None:
        raise _invalid(name, "give a string")
    return value


def _of_path(path: list[str]) -> Selection:
    if len(path) not in (1, 2):
        raise InvalidValue(f"give {_FORM}")
    return Selection(path[0], chunk_ref=path[1] if len(path) == 2 else None)


def _of_command(command: dict[str, Any]) -> Selection:
    check_known(command, dict.fromkeys(("job_id", "columns", "since_index", "max_chunks")))
    return Selection(
        job_id=required_text(command, "job_id"),
        columns=_columns(command.get("columns")),
        since_index=count_field(command, "since_index", 0, 2**31 - 1) or 0,
        max_chunks=count_field(command, "max_chunks", 1, MAX_CHUNKS),
    )


def _columns(given: Any) -> tuple[str, ...] | None:
    if given is None:
        return None
    if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
        raise _invalid("columns", "give a list of column names")
    if not given or len(set(given)) != len(given):
        raise _invalid("columns", "name at least one column, and each one once")
    return tuple(given)


def _text(part: bytes) -> str:
    try:
        return part.decode()
    except UnicodeDecodeError:
        raise InvalidValue("a path is UTF-8 text") from None


def _invalid(name: str, detail: str) -> InvalidValue:
    return InvalidValue(errors=[FieldError(f"#/{name}", detail)])
