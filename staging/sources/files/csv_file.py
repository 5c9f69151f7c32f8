"""Open a pinned CSV file as batches of text: UTF-8, a header, RFC 4180 quoting.

An empty field is NULL, a quoted empty one is the empty text; nothing else means NULL.  The
separator is a comma, or a tab in `.tsv` files.  `.gz`, `.bz2` and `.zst` files are unpacked.
"""

import csv
import io
from collections.abc import Generator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pc

from staging.core.errors import SourceError, SourceUnsupported, Unrepresentable
from staging.sources.files.csv_records import BYTE_ORDER_MARK, record_blocks
from staging.sources.files.pins import FilePin
from staging.sources.files.root import Root
from staging.sources.files.unpacking import PACKED, unpacked

SUFFIXES = tuple(kind + packed for kind in (".csv", ".tsv") for packed in ("", *PACKED))
_PACKED_BYTES = 4 * 1024 * 1024
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
    rows = 0
    bad_rows: list[int | None] = []

    def refuse(row: pc.InvalidRow) -> str:
        bad_rows.append(row.number and rows + row.number)
        return "error"

    parsing = pc.ParseOptions(
        delimiter=_separator(pin), newlines_in_values=True, invalid_row_handler=refuse
    )
    try:
        with unpacked(root, pin, _PACKED_BYTES) as raw:
            for block in record_blocks(raw, pin, _separator(pin)):
                reading = _reading(block, all_columns, has_header=not rows)
                table = pc.read_csv(_source(block, rows), reading, parsing, _converting(columns))
                yield from table.to_batches()
                rows += reading.skip_rows_after_names + table.num_rows
    except (pa.ArrowException, OSError) as error:
        raise _translated(error, pin, bad_rows) from error


def _source(block: bytes, rows: int) -> pa.BufferReader:
    """Give the block to Arrow, which would drop a byte order mark that is not the file's first."""
    is_value = rows and block.startswith(BYTE_ORDER_MARK)
    return pa.BufferReader(b"\n" + block if is_value else block)


def _reading(block: bytes, all_columns: Sequence[str], *, has_header: bool) -> pc.ReadOptions:
    return pc.ReadOptions(
        use_threads=False,
        block_size=len(block) + 1,
        column_names=list(all_columns),
        skip_rows_after_names=int(has_header),
    )


def _converting(columns: Sequence[str]) -> pc.ConvertOptions:
    return pc.ConvertOptions(
        include_columns=list(columns),
        column_types=dict.fromkeys(columns, pa.string()),
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
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
