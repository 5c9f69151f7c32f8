"""Cut the pages of a table, or of all its partitions together, into ranges of like size."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PageRange:
    """Pages from `first` up to but not including `end`; None is the table's end.

    Of a partitioned table the range means these pages of each partition.
    """

    first: int
    end: int | None

    @property
    def condition(self) -> str:
        """Give the SQL; Postgres scans the range alone (TID range scan, version 14)."""
        below = f" AND ctid < '({self.end},0)'::tid" if self.end is not None else ""
        return f"ctid >= '({self.first},0)'::tid{below}"


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


def strides(pages: PageRange, step: int | None, size: int) -> tuple[PageRange, ...]:
    """Cut a range into steps of so many pages; `size` is where an open range may stop cutting."""
    if step is None:
        return (pages,)
    end = size if pages.end is None else pages.end
    firsts = list(range(pages.first, max(end, pages.first + 1), step))
    return tuple(
        PageRange(first, last) for first, last in zip(firsts, [*firsts[1:], pages.end], strict=True)
    )


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
