"""Open a pinned CSV file as batches of text: UTF-8, a header, RFC 4180 quoting.

An empty field is NULL, a quoted empty one is the empty text; nothing else means NULL.  The
separator is a comma, or a tab in `.tsv` files.  `.gz`, `.bz2` and `.zst` files are unpacked.
"""

import csv
import io
from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pc

from staging.core.errors import SourceError, SourceUnsupported, Unrepresentable
from staging.sources.files.pins import FilePin
from staging.sources.files.root import Root
from staging.sources.files.unpacking import PACKED, unpacked

SUFFIXES = tuple(kind + packed for kind in (".csv", ".tsv") for packed in ("", *PACKED))
_BLOCK_BYTES = 4 * 1024 * 1024
_HEADER_BYTES = 1024 * 1024
_HEADER_BLOCK_BYTES = 64 * 1024


def header(root: Root, pin: FilePin) -> list[str]:
    """Read the names of the columns.

    Raises SourceUnsupported if there are none or the file is not UTF-8.
    """
    try:
        with unpacked(root, pin, _HEADER_BLOCK_BYTES) as raw:
            lines = io.BufferedReader(raw, _HEADER_BLOCK_BYTES)
            first = lines.readline(_HEADER_BYTES)
            while first.count(b'"') % 2 and (more := lines.readline(_HEADER_BYTES)):
                first += more
        text = first.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceUnsupported(f"{pin.path!r} is not a text in UTF-8") from error
    names = next(csv.reader(io.StringIO(text, newline=""), delimiter=_separator(pin)), [])
    if not names:
        raise SourceUnsupported(f"{pin.path!r} has no header line")
    return names


def text_batches(
    root: Root, pin: FilePin, columns: Sequence[str], all_columns: Sequence[str]
) -> Generator[pa.RecordBatch]:
    """Give some columns of the file as text, in batches of a few MiB.

    Raises SourceChanged if the file is not the pinned one, before or after; SourceUnsupported for
    a line with more or fewer fields or a quote that is never closed, Unrepresentable for bytes
    that are not UTF-8.
    """
    lines: list[int | None] = []

    def refuse(row: pc.InvalidRow) -> str:
        lines.append(row.number)
        return "error"

    try:
        with (
            unpacked(root, pin, _BLOCK_BYTES) as raw,
            closing(_QuoteCount(raw)) as counted,
            pc.open_csv(counted, *_options(pin, columns, all_columns, refuse)) as reader,
        ):
            yield from reader
            if counted.quotes % 2:
                raise SourceUnsupported(f"{pin.path!r} has a quote that is never closed")
    except (pa.ArrowException, OSError) as error:
        raise _translated(error, pin, lines) from error


class _QuoteCount:
    """A file that counts the quotes in what is read of it, to find one that is never closed.

    The parser takes all that follows such a quote for one text.  Quotes come in pairs, escaped
    ones too (RFC 4180, section 2).
    """

    def __init__(self, file: Any) -> None:
        self._file = file
        self.quotes = 0
        self.closed = False

    def read(self, size: int) -> bytes:
        """Read on."""
        block: bytes = self._file.read(size)
        self.quotes += block.count(b'"')
        return block

    def close(self) -> None:
        """Read no more; the file is closed by who opened it."""
        self.closed = True


def _options(
    pin: FilePin, columns: Sequence[str], all_columns: Sequence[str], refuse: object
) -> tuple[pc.ReadOptions, pc.ParseOptions, pc.ConvertOptions]:
    return (
        pc.ReadOptions(
            use_threads=False,
            block_size=_BLOCK_BYTES,
            column_names=list(all_columns),
            skip_rows_after_names=1,
        ),
        pc.ParseOptions(
            delimiter=_separator(pin), newlines_in_values=True, invalid_row_handler=refuse
        ),
        pc.ConvertOptions(
            include_columns=list(columns),
            column_types=dict.fromkeys(columns, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )


def _separator(pin: FilePin) -> str:
    return "\t" if ".tsv" in Path(pin.path).suffixes else ","


def _translated(error: Exception, pin: FilePin, lines: Sequence[int | None]) -> SourceError:
    """Say what is wrong without the text of the line, which the parser's message holds."""
    if lines:
        where = f" (row {lines[0]})" if lines[0] else ""
        return SourceUnsupported(
            f"{pin.path!r} has a line with more or fewer fields than its header{where}"
        )
    if "UTF8" in str(error):
        return Unrepresentable(f"{pin.path!r} has bytes that are not UTF-8")
    return SourceUnsupported(f"{pin.path!r} cannot be parsed as CSV")
