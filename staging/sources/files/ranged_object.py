"""Read an object of a store as a file, by ranges of bounded size."""

import io
from collections.abc import Callable

_PIECE_BYTES = 8 * 1024 * 1024

Fetch = Callable[[int, int], bytes]
"""Give exactly the bytes first <= n < last, or raise."""


class RangedObject(io.RawIOBase):
    """A file of known size whose every read is a request, or more if it is over 8 MiB."""

    def __init__(self, fetch: Fetch, size: int) -> None:
        self._fetch = fetch
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def seekable(self) -> bool:
        """Say that reading can go on anywhere."""
        return True

    def tell(self) -> int:
        """Give the place of the next byte."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place, which may be past the end."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer: "memoryview[int] | bytearray") -> int:  # type: ignore[override]
        """Fill the buffer, but for the end of the file."""
        first = self._at
        last = min(first + len(buffer), self._size)
        for at in range(first, last, _PIECE_BYTES):
            end = min(at + _PIECE_BYTES, last)
            buffer[at - first : end - first] = self._fetch(at, end)
            self._at = end
        return self._at - first
