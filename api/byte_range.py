"""Which bytes a request asks for (RFC 9110, section 14)."""

import re

from api.errors import RangeNotSatisfiable
from staging.storage.object_body import Span

_DIGITS = "([0-9]{0,4000})"
_ONE_RANGE = re.compile(rf"bytes=\s*{_DIGITS}-{_DIGITS}\s*", re.IGNORECASE | re.ASCII)


def asked_span(given: str | None, byte_count: int) -> Span | None:
    """Give the span that a Range header names; None for all bytes.

    A header that names another unit, several ranges, or none rightly, is as if it were not there.
    Raises RangeNotSatisfiable if none of its bytes exists.
    """
    found = _ONE_RANGE.fullmatch(given or "")
    if found is None or not any(found.groups()):
        return None
    first, last = found.groups()
    if not first:
        return _checked(max(byte_count - int(last), 0), byte_count, byte_count)
    if last and int(last) < int(first):
        return None
    end = min(int(last) + 1, byte_count) if last else byte_count
    return _checked(int(first), end, byte_count)


def _checked(start: int, end: int, byte_count: int) -> Span:
    if start >= end:
        raise RangeNotSatisfiable(byte_count)
    return Span(start, end)
