"""Estimate how many bytes of Parquet a table makes, from the pages of a few places.

The sample is small and bounded in time: reading may be slow on the server (a row policy, a cold
disk), and a plan must not wait for it.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

import psycopg
import pyarrow as pa

from staging.core.errors import SourceError
from staging.sources.connection import Connection
from staging.sources.postgres.engine import ENGINE_ERRORS, EngineSession
from staging.sources.postgres.guards import holds_zero
from staging.sources.postgres.pages import PageRange, pages_below
from staging.sources.postgres.statement import Statement
from staging.sources.postgres.type_rules import Guard
from staging.sources.sizing import Sizing

_PAGE_BYTES = 8192
_LIMIT = timedelta(milliseconds=700)
_QUICK_SECONDS = 0.05
_FIRST_PAGES = 4
"""At most some 1,200 rows."""
_MORE_PAGES = 200
_SAMPLE_BATCH_ROWS = 1 << 16
_MORE_PLACES = 3
_FEWEST_PAGE_ROWS = 4
"""Postgres stores values out of line so that at least so many rows share a page."""
_STRETCH_BYTES = 16 * 1024 * 1024
_PLAIN_RATIO, _TOAST_RATIO = 0.4, 0.9
"""Parquet bytes for a stored byte where nothing could be sampled; TOAST is compressed already."""
_FILES = """
WITH RECURSIVE tree(oid) AS (
    SELECT %s::oid UNION SELECT inhrelid FROM pg_inherits JOIN tree ON inhparent = tree.oid
)
SELECT COALESCE(pg_relation_size(c.oid), 0) / current_setting('block_size')::int8,
    COALESCE(pg_relation_size(NULLIF(c.reltoastrelid, 0)), 0),
    GREATEST(c.reltuples, 0)::float8,
    c.relkind IN ('r', 'm') AND am.amname = 'heap' AND has_table_privilege(%s::oid, 'SELECT')
FROM tree JOIN pg_class c ON c.oid = tree.oid LEFT JOIN pg_am am ON am.oid = c.relam
WHERE c.relkind <> 'p'
"""


@dataclass(frozen=True, slots=True)
class StoredFiles:
    """The files of a table and of its partitions: pages of each, and bytes stored out of line."""

    pages: tuple[int, ...]
    toast_bytes: int
    rows: float
    """Rows as of the last ANALYZE, 0 if there was none."""
    has_pages: bool
    """Whether every one of them can be read by page ranges.

    Not so for a foreign table, and not for who may read some columns only: `ctid` is not one.
    """

    @property
    def total_pages(self) -> int:
        """Pages of all files."""
        return sum(self.pages)


class Stretch(NamedTuple):
    """Pages that are sampled, `end` not included."""

    first: int
    end: int


@dataclass(frozen=True, slots=True)
class SizeEstimate:
    """Bytes of the whole table as Parquet, of a row and of a page as Arrow; 0 is not known.

    `zero_columns` are the columns of decimals in which the sample has a 0.
    """

    parquet_bytes: float
    row_bytes: float = 0.0
    page_bytes: float = 0.0
    zero_columns: tuple[str, ...] = ()


def stored_files(session: psycopg.Connection[Any], oid: int) -> StoredFiles:
    """Look up the files behind a table."""
    rows = session.execute(_FILES, [oid, oid]).fetchall()
    return StoredFiles(
        pages=tuple(row[0] for row in rows),
        toast_bytes=sum(row[1] for row in rows),
        rows=sum(row[2] for row in rows),
        has_pages=bool(rows) and all(row[3] for row in rows),
    )


def estimate_size(
    connection: Connection,
    statement: Statement,
    exports: Sequence[str],
    files: StoredFiles,
    sizing: Sizing,
) -> SizeEstimate:
    """Encode a few pages as Parquet and scale up; without a sample, scale the stored bytes."""
    stored = files.total_pages * _PAGE_BYTES * _PLAIN_RATIO + files.toast_bytes * _TOAST_RATIO
    if files.total_pages == 0:
        return SizeEstimate(0.0)
    page_bytes = _PAGE_BYTES + files.toast_bytes / files.total_pages
    if page_bytes * _FIRST_PAGES > _STRETCH_BYTES:
        page_rows = files.rows / files.total_pages or _FEWEST_PAGE_ROWS
        return SizeEstimate(stored, page_bytes / page_rows, page_bytes)
    try:
        with EngineSession(connection, "staging sample", _LIMIT, exports) as session:
            return _scaled(session, statement, files, sizing)
    except (SourceError, *ENGINE_ERRORS):
        return SizeEstimate(stored)


def _scaled(
    session: EngineSession, statement: Statement, files: StoredFiles, sizing: Sizing
) -> SizeEstimate:
    batches, pages = _sample(session, statement, files)
    rows = sum(batch.num_rows for batch in batches)
    if not rows:
        return SizeEstimate(0.0)
    arrow_bytes = sum(batch.nbytes for batch in batches)
    return SizeEstimate(
        sizing.encoded_bytes(batches) * files.total_pages / pages,
        arrow_bytes / rows,
        arrow_bytes / pages,
        _zero_columns(statement, batches),
    )


def _zero_columns(statement: Statement, batches: Sequence[pa.RecordBatch]) -> tuple[str, ...]:
    return tuple(
        each.name
        for i, each in enumerate(statement.columns)
        if each.rule.guard is Guard.NAN and any(holds_zero(batch.column(i)) for batch in batches)
    )


def _sample(
    session: EngineSession, statement: Statement, files: StoredFiles
) -> tuple[list[pa.RecordBatch], int]:
    """Read the stretches that time allows; give the rows and the number of pages they are from."""
    batches: list[pa.RecordBatch] = []
    pages, began = 0, time.monotonic()
    for stretch in _stretches(files):
        if pages and time.monotonic() - began > _QUICK_SECONDS:
            break
        try:
            found = list(
                session.batches(
                    statement.rows(PageRange(stretch.first, stretch.end)), _SAMPLE_BATCH_ROWS
                )
            )
        except ENGINE_ERRORS:
            if not pages:
                raise
            break
        batches += found
        pages += pages_below(files.pages, stretch.end) - pages_below(files.pages, stretch.first)
    return batches, pages


def _stretches(files: StoredFiles) -> Iterator[Stretch]:
    """Give a few pages in the middle, then longer stretches at even distances."""
    longest = max(files.pages)
    middle = max(0, longest // 2 - _FIRST_PAGES)
    yield Stretch(middle, middle + _FIRST_PAGES)
    page_bytes = len(files.pages) * (_PAGE_BYTES + files.toast_bytes / files.total_pages)
    length = max(1, min(_MORE_PAGES, int(_STRETCH_BYTES / page_bytes)))
    for place in range(_MORE_PLACES):
        first = longest * (2 * place + 1) // (2 * _MORE_PLACES)
        yield Stretch(first, first + length)
