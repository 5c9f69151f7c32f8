"""The high-water mark of an incremental job: the greatest value read, for the next job to go on.

It is kept as the whole number that Arrow stores: days of a date, units of a timestamp, a decimal
without its point.  So marks of partitions compare, whatever their type.
"""

import re
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  # the zone, if there is one, is written by the form
_MICROSECONDS = {"s": 1_000_000, "ms": 1_000, "us": 1}


def later(mark: int | None, other: int | None) -> int | None:
    """Give the greater of two marks; None is less than any."""
    known = [each for each in (mark, other) if each is not None]
    return max(known, default=None)


def has_mark(arrow_type: str) -> bool:
    """Tell whether columns of a type (Arrow's own text for it) can have a mark."""
    return any(form.fullmatch(arrow_type) for form, _ in _FORMS)


def mark_value(arrow_type: str, mark: int) -> int | str:
    """Give a mark as the JSON value that a filter on its column takes.

    Raises OverflowError for a date or a time outside of the years 1 to 9999.
    """
    for form, value_of in _FORMS:
        if found := form.fullmatch(arrow_type):
            return value_of(found.groups(), mark)
    raise ValueError(f"a column of {arrow_type} has no mark")


def _whole(_: Sequence[str], mark: int) -> int:
    return mark


def _decimal(shape: Sequence[str], mark: int) -> str:
    digits = tuple(int(digit) for digit in str(abs(mark)))
    return format(Decimal((mark < 0, digits, -int(shape[0]))), "f")


def _day(_: Sequence[str], mark: int) -> str:
    return (date(1970, 1, 1) + timedelta(days=mark)).isoformat()


def _moment(shape: Sequence[str], mark: int) -> str:
    unit, zone = shape
    at = _EPOCH + timedelta(microseconds=mark * _MICROSECONDS[unit])
    return at.isoformat() + ("Z" if zone else "")


_FORMS: Sequence[tuple[re.Pattern[str], Callable[[Sequence[str], int], int | str]]] = (
    (re.compile(r"u?int(?:8|16|32|64)"), _whole),
    (re.compile(r"decimal\d+\(\d+, (-?\d+)\)"), _decimal),
    (re.compile(r"date32\[day\]"), _day),
    # A filter's value has microseconds at most, so nanoseconds are not here.
    (re.compile(r"timestamp\[(s|ms|us)(, tz=.+)?\]"), _moment),
)
