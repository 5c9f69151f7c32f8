"""Open a file whose name says how it is packed, `.gz`, `.bz2` or `.zst`, as what is in it."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from staging.sources.files.pins import FilePin
from staging.sources.files.root import Root

PACKED = (".gz", ".bz2", ".zst")


@contextmanager
def unpacked(root: Root, pin: FilePin, buffer_bytes: int) -> Iterator[Any]:
    """Open a pinned file; one that is packed is read from the root in parts of the buffer's size.

    Raises what Root.opened raises.
    """
    with root.opened(pin) as file:
        if not pin.path.endswith(PACKED):
            yield file
            return
        codec = pa.Codec.detect(pin.path).name
        with pa.CompressedInputStream(io.BufferedReader(file, buffer_bytes), codec) as inside:
            yield inside
