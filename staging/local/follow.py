"""Read the end of a part's log, and go on reading as it grows."""

import time
from collections import deque
from collections.abc import Iterator

from staging.local.errors import UnknownPart
from staging.local.folder import StateFolder
from staging.local.parts import LOG_NAMES

_POLL_SECONDS = 0.2


def read_log(folder: StateFolder, part: str, *, lines: int, follow: bool) -> Iterator[str]:
    """Give the last lines of one log, then, if asked, each new piece until interrupted.

    Raises UnknownPart if there is no part of that name.
    """
    if part not in LOG_NAMES:
        raise UnknownPart(f"there is no part {part!r}; there are {', '.join(LOG_NAMES)}")
    return _read(folder, part, lines, follow)


def _read(folder: StateFolder, part: str, lines: int, follow: bool) -> Iterator[str]:
    file = folder.log(part)
    while not file.exists():
        if not follow:
            return
        time.sleep(_POLL_SECONDS)
    with file.open(errors="replace") as log:
        yield from deque(log, maxlen=lines)
        while follow:
            if text := log.read():
                yield text
            else:
                time.sleep(_POLL_SECONDS)
