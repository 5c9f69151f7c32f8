"""Take the bytes of a chunk as they come, go on where they broke off, verify them at the end."""

import hashlib
import re
from typing import BinaryIO

import httpx2

from staging_client.errors import ChecksumMismatch
from staging_client.patience import Busy
from staging_client.views import ChunkView

_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/\d+")


class Download:
    """What has arrived of a chunk, in an empty seekable file."""

    def __init__(self, chunk: ChunkView, into: BinaryIO) -> None:
        self._chunk = chunk
        self._into = into
        self._restart()

    @property
    def is_complete(self) -> bool:
        """Tell whether nothing is missing."""
        return self._into.tell() >= self._chunk.byte_count

    @property
    def range_headers(self) -> dict[str, str]:
        """Ask for what is missing (RFC 9110, section 14.2)."""
        at = self._into.tell()
        return {"Range": f"bytes={at}-"} if at else {}

    def take(self, answer: httpx2.Response) -> None:
        """Write the body of a 200, or of the 206 that was asked for; raises Busy if it breaks off.

        The body must come as it is stored, and is not read before.
        """
        if answer.status_code != 206:
            self._restart()
        elif _first_byte(answer) != self._into.tell():
            raise Busy(f"{answer.url.host} gave another range than was asked for")
        try:
            for piece in answer.iter_raw():
                self._digest.update(piece)
                self._into.write(piece)
        except httpx2.TransportError as silent:
            # Its text may hold the link, which is a secret.
            raise Busy(f"{answer.url.host} broke off: {type(silent).__name__}") from None

    def check(self) -> None:
        """Raise ChecksumMismatch unless all bytes are those that were published."""
        length, chunk = self._into.tell(), self._chunk
        if (length, self._digest.hexdigest()) != (chunk.byte_count, chunk.sha256):
            raise ChecksumMismatch(
                f"chunk {chunk.chunk_index}: the {length} bytes that arrived are not the"
                f" {chunk.byte_count} bytes that were published"
            )

    def _restart(self) -> None:
        self._into.seek(0)
        self._into.truncate()
        self._digest = hashlib.sha256()


def _first_byte(answer: httpx2.Response) -> int | None:
    found = _CONTENT_RANGE.fullmatch(answer.headers.get("content-range", ""))
    return int(found[1]) if found else None
