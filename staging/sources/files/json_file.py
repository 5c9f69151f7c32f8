"""Open a pinned file of JSON lines as blocks of parsed objects (RFC 8259, one object a line).

Lines end with LF or CR LF; empty ones are skipped.  `.gz`, `.bz2` and `.zst` files are unpacked.
"""

import io
import json
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import isinf
from typing import Any

import pyarrow as pa

from staging.core.errors import SourceUnsupported, Unrepresentable
from staging.sources.files.pins import FilePin
from staging.sources.files.root import Root
from staging.sources.files.unpacking import PACKED, unpacked

_PLAIN = (".json", ".jsonl", ".ndjson")
SUFFIXES = tuple(kind + packed for packed in ("", *PACKED) for kind in _PLAIN)
_BLOCK_BYTES = 4 * 1024 * 1024
_MOST_LINE_BYTES = 256 * 1024 * 1024
_SURE_LENGTH = 16
"""A number of so many characters, one of them a point or an `e`, has 15 digits at most: a double
gives them back (IEEE 754)."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class LongNumber:
    """A number that no double gives back, as it is written."""

    text: str


@dataclass(frozen=True, slots=True)
class Block:
    """Some objects that follow each other, and the bytes of their lines."""

    rows: Sequence[Row]
    text_bytes: int


def is_packed(pin: FilePin) -> bool:
    """Tell whether the file must be unpacked, and so cannot be entered in the middle."""
    return pin.path.endswith(PACKED)


def blocks(
    root: Root,
    pin: FilePin,
    first: int = 0,
    last: int | None = None,
    block_bytes: int = _BLOCK_BYTES,
) -> Generator[Block]:
    """Give the objects of the lines that begin at bytes first <= n < last, block by block.

    Raises SourceChanged if the file is not the pinned one, before or after; SourceUnsupported for
    a line that is no JSON object or names a member twice, Unrepresentable for bytes that are not
    UTF-8.
    """
    rows: list[Row] = []
    size = 0
    try:
        with unpacked(root, pin, block_bytes) as raw:
            for at, line in _lines(io.BufferedReader(raw, block_bytes), pin, first, last):
                size += len(line)
                if not line.isspace():
                    rows.append(_parsed(line, pin, at))
                if size >= block_bytes:
                    yield Block(rows, size)
                    rows, size = [], 0
            if size:
                yield Block(rows, size)
    except (pa.ArrowException, OSError) as error:
        raise SourceUnsupported(f"{pin.path!r} cannot be read to its end") from error


def _lines(
    file: io.BufferedReader, pin: FilePin, first: int, last: int | None
) -> Generator[tuple[int, bytes]]:
    at = first
    if first:
        file.seek(first - 1)
        at += len(file.readline()) - 1  # what is left of the line before belongs to its reader
    while last is None or at < last:
        line = file.readline(_MOST_LINE_BYTES + 1)
        if not line:
            return
        if len(line) > _MOST_LINE_BYTES:
            raise SourceUnsupported(f"{pin.path!r} has a line over {_MOST_LINE_BYTES} bytes")
        yield at, line
        at += len(line)


def _parsed(line: bytes, pin: FilePin, at: int) -> Row:
    """Parse one line; a message never holds its text."""
    where = f"{pin.path!r} has at byte {at}"
    try:
        row = _DECODER.decode(line.decode("utf-8" if at else "utf-8-sig"))
    except UnicodeDecodeError as error:
        raise Unrepresentable(f"{where} bytes that are not UTF-8") from error
    except RecursionError as error:
        raise SourceUnsupported(f"{where} a value that is nested too deep") from error
    except _RepeatedMember as repeated:
        raise SourceUnsupported(f"{where} an object that names a member twice") from repeated
    except ValueError as error:
        raise SourceUnsupported(f"{where} a line that is not JSON") from error
    if not isinstance(row, dict):
        raise SourceUnsupported(f"{where} a line that is no JSON object")
    return row


class _RepeatedMember(ValueError):
    """RFC 8259 leaves open which one counts."""


def _unique(pairs: list[tuple[str, Any]]) -> Row:
    row = dict(pairs)
    if len(row) < len(pairs):
        raise _RepeatedMember
    return row


def _number(text: str) -> float | LongNumber:
    value = float(text)
    is_kept = len(text) <= _SURE_LENGTH and value and not isinf(value)
    return value if is_kept or _is_same(value, text) else LongNumber(text)


def _is_same(value: float, text: str) -> bool:
    return not isinf(value) and Decimal(repr(value)) == Decimal(text)


def _refuse(constant: str) -> None:
    raise ValueError(constant)


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_float=_number, parse_constant=_refuse)
