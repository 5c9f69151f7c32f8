"""Who of the jobs that wait for sessions of a connection tries next."""

import threading
from collections import defaultdict


class Lines:
    """The jobs of this process that wait for the same thing, in the order in which they came.

    The first tries often; the others are spared the write to the catalog that each try is.
    """

    def __init__(self) -> None:
        self._lines: defaultdict[str, dict[str, None]] = defaultdict(dict)
        self._lock = threading.Lock()

    def is_first(self, line: str, job_id: str) -> bool:
        """Tell whether no other came before; a job that was not there is the last from now on."""
        with self._lock:
            waiting = self._lines[line]
            waiting.setdefault(job_id)
            return next(iter(waiting)) == job_id

    def leave(self, line: str, job_id: str) -> None:
        """Let the next one be the first, if this one was."""
        with self._lock:
            waiting = self._lines[line]
            waiting.pop(job_id, None)
            if not waiting:
                del self._lines[line]
