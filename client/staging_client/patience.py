"""How long and how often a failing call is made again."""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

from staging_client.errors import Unavailable

_FIRST_SECONDS = 0.2
_MOST_SECONDS = 5.0
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Patience:
    """Retries for `seconds` in all, with growing pauses of random length up to 5 s."""

    seconds: float = 60.0
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)

    def persist(self, call: Callable[[], _T]) -> _T:
        """Make the call until it does not raise Busy; raises Unavailable when that takes too long.

        A pause that the service asked for (Retry-After) is kept, if the patience lasts so long.
        """
        deadline = time.monotonic() + self.seconds
        ceiling = _FIRST_SECONDS
        while True:
            try:
                return call()
            except Busy as busy:
                pause = busy.retry_after
                if pause is None:
                    pause = random.uniform(ceiling / 2, ceiling)  # noqa: S311  # not a secret
                if time.monotonic() + pause > deadline:
                    raise Unavailable(busy.detail) from busy.__cause__
            self.sleep(pause)
            ceiling = min(ceiling * 2, _MOST_SECONDS)


class Busy(Exception):
    """The same call may succeed later; `retry_after` is in seconds."""

    def __init__(self, detail: str, retry_after: float | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after = retry_after


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Read Retry-After (RFC 9110 section 10.2.3): seconds, or a date; None if it is neither."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return max(0.0, (at - datetime.now(UTC)).total_seconds())
