"""A file that is hashed while it is written."""

import hashlib
import tempfile
from typing import BinaryIO

from staging.storage.scratch import writing


class HashingSink:
    """A new file for pyarrow to write to; nobody reads it before it is closed.

    It has no name from the start, so nothing is left of it however the process ends.
    Raises StorageUnavailable when the disk takes no more: with room, the same step succeeds.
    """

    def __init__(self) -> None:
        with writing():
            self.file: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115  # who reads it closes it
        self._hash = hashlib.sha256()
        self.byte_count = 0
        self.closed = False

    def write(self, part: bytes) -> int:
        """Append bytes."""
        with writing():
            self.file.write(part)
        self._hash.update(part)
        self.byte_count += len(part)
        return len(part)

    def tell(self) -> int:
        """Give the position, which is the number of bytes."""
        return self.byte_count

    def flush(self) -> None:
        """Do nothing: close flushes."""

    def close(self) -> None:
        """Write out what is buffered; the file stays open for its reader."""
        if self.closed:
            return
        self.closed = True
        with writing():
            self.file.flush()

    @property
    def sha256(self) -> str:
        """Lower-case hex of the hash of all bytes so far."""
        return self._hash.hexdigest()
