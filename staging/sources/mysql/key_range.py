"""A range of a table's keys: the bounds of a partition that is read at best effort."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from staging.sources.mysql.quoting import quote_name

Edge = Sequence[str]
"""A key's value as SQL, or the values of its first columns."""


@dataclass(frozen=True, slots=True)
class KeyRange:
    """Rows whose key is `first` or more and less than `end`, None being no bound.

    The range of NULL, in the key's first column, is one of its own: no comparison is true of it.
    """

    columns: Sequence[str]
    first: Edge | None = None
    end: Edge | None = None
    is_null: bool = False

    @property
    def condition(self) -> str:
        """Give the SQL."""
        if self.is_null:
            return f"{quote_name(self.columns[0])} IS NULL"
        above = [_compared(self.columns, ">", self.first, "=")] if self.first else []
        below = [_compared(self.columns, "<", self.end, "")] if self.end else []
        return " AND ".join([*above, *below]) or f"{quote_name(self.columns[0])} IS NOT NULL"

    def to_json(self) -> dict[str, Any]:
        """Give the JSON that the catalog keeps."""
        edges = {
            name: None if edge is None else list(edge)
            for name, edge in (("first", self.first), ("end", self.end))
        }
        return {"columns": list(self.columns), **({"is_null": True} if self.is_null else edges)}


def condition_of(bounds: Mapping[str, Any]) -> tuple[str, ...]:
    """Give the condition of what KeyRange.to_json gave; none for all rows, `{}`."""
    return (KeyRange(**bounds).condition,) if bounds else ()


def beyond(columns: Sequence[str], edge: Edge) -> str:
    """Give the SQL of what sorts after a value."""
    return _compared(columns, ">", edge, "")


def ranges_between(
    columns: Sequence[str], edges: Sequence[Edge], *, may_be_null: bool
) -> tuple[KeyRange, ...]:
    """Give the ranges that ascending edges part, the outer ones without a bound.

    So every key is in one range, also one that was not there when the edges were chosen.
    """
    ranges = [
        KeyRange(columns, first, end)
        for first, end in zip([None, *edges], [*edges, None], strict=True)
    ]
    return (*ranges, KeyRange(columns, is_null=True)) if may_be_null else tuple(ranges)


def even_edges(least: int, most: int, parts: int) -> list[Edge]:
    """Cut whole numbers into at most `parts` ranges of like width."""
    width = most - least + 1
    edges = sorted({least + width * part // parts for part in range(1, parts)} - {least})
    return [[str(edge)] for edge in edges]


def _compared(columns: Sequence[str], symbol: str, edge: Edge, last: str) -> str:
    """Compare the first columns one after the other; `last` is added where all before are equal.

    Servers find no index range for a comparison of rows, so it is written out.  That the first
    column is not on the other side follows, but without it no range is found either.
    """
    name, value, more = quote_name(columns[0]), edge[0], edge[1:]
    if not more:
        return f"{name} {symbol}{last} {value}"
    rest = _compared(columns[1:], symbol, more, last)
    return f"({name} {symbol}= {value} AND ({name} {symbol} {value} OR {rest}))"
