"""The bytes of a stored object as they arrive, and the object as a file."""

import hashlib
import io
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from staging.core.errors import ObjectDamaged
from staging.storage.config import StoreConfig
from staging.storage.failures import translated

if TYPE_CHECKING:
    from botocore.response import StreamingBody

_READ_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Span:
    """The bytes of an object from `start` up to, not including, `end`; never empty."""

    start: int
    end: int

    @property
    def length(self) -> int:
        """How many bytes it has."""
        return self.end - self.start


class ObjectBody:
    """The bytes of a span, read once; holds a connection to the store until it is closed."""

    def __init__(self, config: StoreConfig, what: str, body: "StreamingBody", length: int) -> None:
        self._config = config
        self._what = what
        self._body = body
        self._length = length

    def __iter__(self) -> Iterator[bytes]:
        """Give the bytes in parts of 1 MiB at most.

        Raises StorageUnavailable when the store breaks off, ObjectDamaged if it gave fewer.
        """
        left = self._length
        with translated(self._config, self._what):
            for part in self._body.iter_chunks(_READ_BYTES):
                left -= len(part)
                yield part
        if left:
            raise ObjectDamaged(f"{self._what}: {left} bytes are missing")

    def close(self) -> None:
        """Give the connection up; what was not read of it is not waited for."""
        self._body.close()


def verified(parts: Iterable[bytes], sha256: str) -> Iterator[bytes]:
    """Pass parts on, each when the next one is there, the last if the hash of all is `sha256`.

    Raises ObjectDamaged instead of giving the last part.
    """
    digest, held = hashlib.sha256(), b""
    for part in parts:
        digest.update(part)
        if held:
            yield held
        held = part
    if digest.hexdigest() != sha256:
        raise ObjectDamaged("the object has another SHA-256 than was published")
    yield held


class Opener(Protocol):
    """What an ObjectFile needs of the store."""

    def open(self, key: str, span: Span, *, byte_count: int) -> ObjectBody: ...  # noqa: D102


class ObjectFile(io.RawIOBase):
    """An object as a file to seek in; each read is one request, and nothing is kept."""

    def __init__(self, store: Opener, key: str, byte_count: int) -> None:
        super().__init__()
        self._store = store
        self._key = key
        self._byte_count = byte_count
        self._at = 0

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def seekable(self) -> bool:
        """Tell that it can be sought in."""
        return True

    def tell(self) -> int:
        """Give the position."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move, also beyond the end, and give the position."""
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._byte_count}[whence]
        self._at = origin + offset
        return self._at

    def read(self, size: int = -1) -> bytes:
        """Read so many bytes, fewer at the end alone; raises what ObjectStore.open raises."""
        end = self._byte_count if size < 0 else min(self._at + size, self._byte_count)
        if end <= self._at:
            return b""
        span = Span(self._at, end)
        with closing(self._store.open(self._key, span, byte_count=self._byte_count)) as body:
            read = b"".join(body)
        self._at = end
        return read
