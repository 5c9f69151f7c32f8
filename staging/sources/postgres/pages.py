"""Cut the pages of a table, or of all its partitions together, into ranges of like size."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

_MOST_PAGE_ROWS = 292
"""Row numbers of a page of 8 KiB run below this; a larger page's others are in its last step."""


@dataclass(frozen=True, slots=True)
class PageRange:
    """Pages from `first` up to but not including `end`; None is the table's end.

    Of a partitioned table the range means these pages of each partition.  The row numbers make
    the edges finer, where single pages hold too much.
    """

    first: int
    end: int | None
    first_row: int = 0
    end_row: int = 0

    @property
    def condition(self) -> str:
        """Give the SQL; Postgres scans the range alone (TID range scan, version 14)."""
        below = f" AND ctid < '({self.end},{self.end_row})'::tid" if self.end is not None else ""
        return f"ctid >= '({self.first},{self.first_row})'::tid{below}"


@dataclass(frozen=True, slots=True)
class Stride:
    """How much one query reads: so many pages, or, of a single page, so many rows."""

    pages: int
    rows: int | None = None


def pages_below(sizes: Sequence[int], page: int) -> int:
    """Count the pages with a smaller number, over files of these sizes in pages."""
    return sum(min(size, page) for size in sizes)


def cut_pages(sizes: Sequence[int], parts: int) -> tuple[PageRange, ...]:
    """Cut files of these sizes into at most `parts` ranges of like size; the last has no end."""
    total = sum(sizes)
    edges = [0]
    for part in range(1, parts):
        edge = _page_with(sizes, -(-total * part // parts))
        if edges[-1] < edge < max(sizes, default=0):
            edges.append(edge)
    return tuple(
        PageRange(first, end) for first, end in zip(edges, [*edges[1:], None], strict=True)
    )


def strides(pages: PageRange, stride: Stride, size: int) -> Iterator[PageRange]:
    """Cut a range into steps; `size` is the page at which an open range may stop being cut."""
    end = size if pages.end is None else pages.end
    edges = [(page, 0) for page in range(pages.first, max(end, pages.first + 1), stride.pages)]
    if stride.rows is not None:
        edges = [(page, row) for page, _ in edges for row in range(0, _MOST_PAGE_ROWS, stride.rows)]
    for (page, row), (next_page, next_row) in pairwise(edges):
        yield PageRange(page, next_page, row, next_row)
    yield PageRange(edges[-1][0], pages.end, edges[-1][1])


def _page_with(sizes: Sequence[int], wanted: int) -> int:
    """Give the smallest page number below which there are `wanted` pages."""
    low, high = 0, max(sizes, default=0)
    while low < high:
        middle = (low + high) // 2
        if pages_below(sizes, middle) < wanted:
            low = middle + 1
        else:
            high = middle
    return low
