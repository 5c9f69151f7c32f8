"""Open a Parquet file that was pinned."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from staging.core.errors import SourceError, SourceUnsupported
from staging.sources.files.pins import FilePin
from staging.sources.files.root import Root

_BUFFER_BYTES = 1024 * 1024
_BROKEN = (pa.ArrowException, OSError, UnicodeDecodeError)


@contextmanager
def opened(root: Root, pin: FilePin) -> Iterator[pq.ParquetFile]:
    """Open a pinned file; its pages are read as they are needed.

    Raises SourceChanged if it is not the pinned file, before or after, SourceUnsupported if it is
    not a Parquet file, SourceError if it cannot be decoded.
    """
    try:
        with root.opened(pin) as raw, _parsed(raw, pin) as file:
            yield file
    except _BROKEN as error:
        raise SourceError(f"{pin.path!r} cannot be decoded") from error


def _parsed(raw: Any, pin: FilePin) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(
            raw,
            buffer_size=_BUFFER_BYTES,
            pre_buffer=False,
            # INT96 as nanoseconds would wrap around outside of 1677 to 2262.
            coerce_int96_timestamp_unit="us",
            page_checksum_verification=True,
        )
    except _BROKEN as error:
        raise SourceUnsupported(f"{pin.path!r} is not a Parquet file") from error
