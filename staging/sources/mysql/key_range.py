"""A range of a table's integer keys: the bounds of a partition that is read at best effort."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from staging.sources.mysql.quoting import quote_name


@dataclass(frozen=True, slots=True)
class KeyRange:
    """Rows whose key is `first` or more and less than `end`, None being no bound.

    The range of NULL is one of its own: no comparison is true of it.
    """

    column: str
    first: int | None = None
    end: int | None = None
    is_null: bool = False

    @property
    def condition(self) -> str:
        """Give the SQL."""
        name = quote_name(self.column)
        if self.is_null:
            return f"{name} IS NULL"
        above = [f"{name} >= {self.first}"] if self.first is not None else []
        below = [f"{name} < {self.end}"] if self.end is not None else []
        return " AND ".join([*above, *below]) or f"{name} IS NOT NULL"

    def to_json(self) -> dict[str, Any]:
        """Give the JSON that the catalog keeps."""
        if self.is_null:
            return {"column": self.column, "is_null": True}
        return {"column": self.column, "first": self.first, "end": self.end}


def condition_of(bounds: Mapping[str, Any]) -> tuple[str, ...]:
    """Give the condition of what KeyRange.to_json gave; none for all rows, `{}`."""
    return (KeyRange(**bounds).condition,) if bounds else ()


def cut_keys(
    column: str, least: int, most: int, parts: int, *, may_be_null: bool
) -> tuple[KeyRange, ...]:
    """Cut the keys into at most `parts` ranges of like width, the outer ones without a bound.

    So every key is in one range, also one that was not there when the edges were chosen.
    """
    width = most - least + 1
    edges = sorted({least + width * part // parts for part in range(1, parts)} - {least})
    ranges = [
        KeyRange(column, first, end)
        for first, end in zip([None, *edges], [*edges, None], strict=True)
    ]
    return (*ranges, KeyRange(column, is_null=True)) if may_be_null else tuple(ranges)
