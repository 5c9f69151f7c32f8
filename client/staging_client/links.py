"""Read an object by its link, byte for byte, verified."""

import hashlib
from typing import BinaryIO

import httpx2

from staging_client.errors import ChecksumMismatch
from staging_client.patience import Busy, Patience, retry_after
from staging_client.views import ChunkView

_REFUSED = frozenset({400, 401, 403, 404, 410})
"""What stores answer to a link that is over, or whose object is gone."""
_TIMEOUT = httpx2.Timeout(30.0)


class LinkOver(Exception):
    """The store refuses this link; a new one may work."""


class LinkReader:
    """Reads links over one connection pool, without any identity."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._http = httpx2.Client(timeout=_TIMEOUT, headers={"Accept-Encoding": "identity"})

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def fetch(self, chunk: ChunkView, into: BinaryIO) -> None:
        """Write the chunk's bytes into an empty seekable file and verify length and SHA-256.

        Raises LinkOver, ChecksumMismatch, Unavailable.
        """
        if chunk.url is None:
            raise LinkOver
        self._patience.persist(lambda: self._fetch(chunk, into))

    def _fetch(self, chunk: ChunkView, into: BinaryIO) -> None:
        into.seek(0)
        into.truncate()
        digest = hashlib.sha256()
        request = self._http.build_request("GET", chunk.url or "", headers=chunk.http_headers)
        try:
            answer = self._http.send(request, stream=True)
            try:
                _check_status(answer)
                for piece in answer.iter_raw():
                    digest.update(piece)
                    into.write(piece)
            finally:
                answer.close()
        except httpx2.TransportError as silent:
            # Its text may hold the link, which is a secret.
            raise Busy(f"{request.url.host} broke off: {type(silent).__name__}") from None
        if (into.tell(), digest.hexdigest()) != (chunk.byte_count, chunk.sha256):
            raise ChecksumMismatch(
                f"chunk {chunk.chunk_index}: the {into.tell()} bytes that arrived are not the"
                f" {chunk.byte_count} bytes that were published"
            )


def _check_status(answer: httpx2.Response) -> None:
    if answer.status_code in _REFUSED:
        raise LinkOver
    if answer.status_code != 200:
        detail = f"{answer.url.host} answered {answer.status_code}"
        raise Busy(detail, retry_after(answer.headers))
