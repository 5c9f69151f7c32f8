"""Cut a CSV file into blocks of whole records, each in memory before it is parsed.

Arrow's own streaming reader reads a file from a thread of its own, and waits for that thread in
that thread for ever if it is the last to let go of the reader (BackgroundGenerator, seen in 26.0):
with a file that is read through Python, sooner or later it is.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from staging.core.errors import SourceUnsupported
from staging.sources.files.pins import FilePin

_BLOCK_BYTES = 4 * 1024 * 1024
_MOST_RECORD_BYTES = 256 * 1024 * 1024
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def record_blocks(file: Any, pin: FilePin, separator: str) -> Iterator[bytes]:
    """Give blocks of about 4 MiB that end where a record ends; a longer record is one block.

    Raises SourceUnsupported for a quote that is never closed, and for a record over 256 MiB.
    """
    rest = b""
    while block := file.read(_BLOCK_BYTES):
        rest += block
        end = _last_record_end(rest, separator)
        if end:
            yield from _filled(rest[:end])
            rest = rest[end:]
        elif len(rest) > _MOST_RECORD_BYTES:
            raise SourceUnsupported(f"{pin.path!r} has a record over {_MOST_RECORD_BYTES} bytes")
    if _closed_end(rest, len(rest), separator) < len(rest):
        raise SourceUnsupported(f"{pin.path!r} has a quote that is never closed")
    yield from _filled(rest)


def _filled(block: bytes) -> Iterator[bytes]:
    """Leave out a block of empty lines, which is no CSV to Arrow."""
    if block.strip(b"\r\n"):
        yield block


def _last_record_end(text: bytes, separator: str) -> int:
    """Give where the last whole record ends, 0 if none does; the text begins with a record."""
    end = _line_end(text, len(text))
    while end and (closed := _closed_end(text, end, separator)) < end:
        end = _line_end(text, closed)
    return end


def _line_end(text: bytes, limit: int) -> int:
    """Give the last end of a line up to a place, 0 if there is none.

    A return that ends the text counts not yet: it may be half of an end.
    """
    feed = text.rfind(b"\n", 0, limit)
    return 1 + max(feed, text.rfind(b"\r", 0, min(limit, len(text) - 1)))


def _closed_end(text: bytes, limit: int, separator: str) -> int:
    """Give where the quote begins that is open at a place, or the place itself.

    A quote counts at the start of a field only (RFC 4180, section 2, and as Arrow's parser has
    it); in a quoted field two of them are one.
    """
    if text.find(b'"', 0, limit) < 0:
        return limit
    found = _closed(separator).match(text, 0, limit)
    assert found is not None  # it also matches nothing
    return found.end()


@cache
def _closed(separator: str) -> re.Pattern[bytes]:
    """Match all up to an open quote; every part is possessive, so the time is linear."""
    names = {b"quoted": rb'"(?:[^"]++|"")*+"', b"starts": separator.encode() + rb"\r\n"}
    first = rb"(?:\xef\xbb\xbf)?+(?:%(quoted)s)?+"
    plain_quote = rb'(?!\A)(?<!\A\xef\xbb\xbf)(?<![%(starts)s])"'
    rest = rb'(?:[^"]++|(?<=[%(starts)s])%(quoted)s|' + plain_quote + rb")*+"
    return re.compile((first + rest) % names)
