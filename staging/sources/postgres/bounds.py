"""The bounds of a Postgres partition as the catalog keeps them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from staging.sources.postgres.pages import PageRange, Stride, strides

_MOST_BATCH_ROWS = 61_440
"""Half a row group: one is read while the others are encoded."""
_VECTOR_ROWS = 2048
"""DuckDB's unit: it reads no fewer rows than this at once."""
_UNKNOWN_BATCH_ROWS = 16 * _VECTOR_ROWS
_BATCH_BYTES = 24 * 1024 * 1024
_MOST_VECTOR_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ReadBounds:
    """A range of pages, None for all rows, and how many rows are in memory at once."""

    pages: PageRange | None = None
    batch_rows: int = _UNKNOWN_BATCH_ROWS
    stride: Stride | None = None
    """What a query reads at once, where a vector of rows would be too large."""
    table_pages: int = 0
    zero_columns: tuple[str, ...] = ()
    """Columns of numeric in which a 0 was seen at planning: only a hint for speed."""

    def ranges(self) -> Iterable[PageRange | None]:
        """Give what each query reads, in order."""
        if self.pages is None or self.stride is None:
            return (self.pages,)
        return strides(self.pages, self.stride, self.table_pages)

    def to_json(self) -> dict[str, Any]:
        """Give the JSON that the catalog keeps."""
        shown: dict[str, Any] = {"batch_rows": self.batch_rows}
        if self.pages is not None:
            shown |= {"first_page": self.pages.first, "end_page": self.pages.end}
        if self.stride is not None:
            stride = [self.stride.pages, self.stride.rows]
            shown |= {"stride": stride, "table_pages": self.table_pages}
        if self.zero_columns:
            shown["zero_columns"] = list(self.zero_columns)
        return shown

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "ReadBounds":
        """Read what to_json gave."""
        pages = (
            PageRange(stored["first_page"], stored["end_page"]) if "end_page" in stored else None
        )
        stride = Stride(*stored["stride"]) if "stride" in stored else None
        zeros = tuple(stored.get("zero_columns", ()))
        return cls(pages, stored["batch_rows"], stride, stored.get("table_pages", 0), zeros)


def batch_rows_for(row_bytes: float) -> int:
    """Choose the rows of a batch so that it stays small; whole vectors."""
    if row_bytes <= 0:
        return _UNKNOWN_BATCH_ROWS
    vectors = int(_BATCH_BYTES / row_bytes / _VECTOR_ROWS)
    return max(1, min(vectors, _MOST_BATCH_ROWS // _VECTOR_ROWS)) * _VECTOR_ROWS


def stride_for(row_bytes: float, page_bytes: float) -> Stride | None:
    """Choose what one query reads where a vector of rows would be too large, else None."""
    if row_bytes * _VECTOR_ROWS <= _MOST_VECTOR_BYTES and page_bytes <= _BATCH_BYTES:
        return None
    if page_bytes <= _BATCH_BYTES:
        return Stride(max(1, int(_BATCH_BYTES / page_bytes)))
    return Stride(1, max(1, int(_BATCH_BYTES / row_bytes)))
