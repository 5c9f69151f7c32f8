"""Choose how each chunk is read: by Flight, by its link, or through the service."""

import time
from collections.abc import Callable, Sequence

import pyarrow as pa

from staging_client.chunk import Chunk
from staging_client.errors import (
    CertificateRefused,
    ChecksumMismatch,
    FlightFailed,
    IdentityRefused,
    LinkRefused,
    ShortRead,
    Unavailable,
    UnexpectedAnswer,
)
from staging_client.patience import Patience

_HURRIED = Patience(seconds=2.0)
_SHUT_SECONDS = 30.0
_MAY_WORK_ELSEWHERE = (
    CertificateRefused,
    ChecksumMismatch,
    FlightFailed,
    IdentityRefused,
    LinkRefused,
    ShortRead,
    Unavailable,
    UnexpectedAnswer,
)


class Routes:
    """Reads chunks whole by the first route that works; one that failed is left for a while.

    A chunk is given only when all of it is there and verified, so nothing is lost or doubled when
    the route changes.  Safe to share between threads.
    """

    def __init__(self, columns: Sequence[str] | None = None) -> None:
        self._columns = None if columns is None else list(columns)
        self._shut_until = dict.fromkeys(_ROUTES, 0.0)

    def read(self, chunk: Chunk) -> pa.Table:
        """Read a chunk; raises DataGone and what Chunk.read_data raises."""
        damage: ChecksumMismatch | None = None
        for name, read in _ROUTES.items():
            if self._shut_until[name] > time.monotonic():
                continue
            try:
                return read(chunk.with_patience(_HURRIED), self._columns)
            except _MAY_WORK_ELSEWHERE as failed:
                self._shut_until[name] = time.monotonic() + _SHUT_SECONDS
                damage = failed if isinstance(failed, ChecksumMismatch) else damage
        try:
            return chunk.read_data(self._columns)
        except Unavailable:
            # What is damaged in the store the service can only break off, again and again.
            if damage is None:
                raise
            raise damage from None


_ROUTES: dict[str, Callable[[Chunk, list[str] | None], pa.Table]] = {
    "flight": Chunk.read_flight,
    "link": Chunk.read,
}
"""From the fastest on; through the service is the last, and waits as long as the client does."""
