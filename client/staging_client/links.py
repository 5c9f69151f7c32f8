"""Read an object by its link, byte for byte, verified."""

from typing import Self

import httpx2

from staging_client.download import Download
from staging_client.patience import Busy, Patience, retry_after
from staging_client.views import ChunkView

_REFUSED = frozenset({400, 401, 403, 404, 410})
"""What stores answer to a link that is over, or whose object is gone."""
_TIMEOUT = httpx2.Timeout(30.0)


class LinkOver(Exception):
    """The store refuses this link; a new one may work."""


class LinkReader:
    """Reads links over one connection pool, without any identity."""

    def __init__(self, patience: Patience, http: httpx2.Client | None = None) -> None:
        self._patience = patience
        self._http = http or httpx2.Client(
            timeout=_TIMEOUT, headers={"Accept-Encoding": "identity"}
        )

    def with_patience(self, patience: Patience) -> Self:
        """Give a reader over the same connections that tries for another time."""
        return type(self)(patience, self._http)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def fetch(self, chunk: ChunkView, download: Download) -> None:
        """Bring what is missing of the chunk, and verify all of it.

        Raises LinkOver, ChecksumMismatch, Unavailable.
        """
        if chunk.url is None:
            raise LinkOver
        self._patience.persist(lambda: self._go_on(chunk, download))
        download.check()

    def _go_on(self, chunk: ChunkView, download: Download) -> None:
        if download.is_complete:
            return
        headers = {**chunk.http_headers, **download.range_headers}
        request = self._http.build_request("GET", chunk.url or "", headers=headers)
        try:
            answer = self._http.send(request, stream=True)
        except httpx2.TransportError as silent:
            raise Busy(f"{request.url.host} does not answer: {type(silent).__name__}") from None
        try:
            _check_status(answer)
            download.take(answer)
        finally:
            answer.close()


def _check_status(answer: httpx2.Response) -> None:
    if answer.status_code in _REFUSED:
        raise LinkOver
    if answer.status_code not in {200, 206}:
        detail = f"{answer.url.host} answered {answer.status_code}"
        raise Busy(detail, retry_after(answer.headers))
