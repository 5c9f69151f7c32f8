"""What a job reads: a connection's table, path or query, some columns, some rows."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

OPERATORS = (
    "=",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "in",
    "not_in",
    "is_null",
    "not_null",
    "like",
)


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition; `value` is a JSON scalar, a list for in/not_in, None for is_null/not_null."""

    column: str
    op: str
    value: Any = None


@dataclass(frozen=True, slots=True)
class Incremental:
    """Only rows whose `column` is greater than `after`, a JSON scalar; None is all rows."""

    column: str
    after: Any = None


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """Exactly one of `table`, `path` and `query` is given; `filters` are joined by AND."""

    connection: str
    table: str | None = None
    path: str | None = None
    query: str | None = None
    columns: tuple[str, ...] | None = None
    filters: tuple[Filter, ...] = ()
    incremental: Incremental | None = None
    partition_by: str | None = None
    """A column to split by; a hint."""
    version: int | str | None = None
    """A version of a lake table: its number, or a time at which it was current."""

    @property
    def target(self) -> str:
        """The table, path or query, whichever is given."""
        return self.table or self.path or self.query or ""

    @property
    def pointer(self) -> str:
        """Where the target stands in a request body (RFC 6901)."""
        kind = "table" if self.table else "path" if self.path else "query"
        return f"#/source/{kind}"

    def newer_only(self) -> "SourceSpec":
        """Give the source with its incremental bound as one more filter, the last."""
        if self.incremental is None or self.incremental.after is None:
            return self
        bound = Filter(self.incremental.column, ">", self.incremental.after)
        return replace(self, filters=(*self.filters, bound))

    def to_json(self) -> dict[str, Any]:
        """Give the contract's JSON object; what is optional is there if it was asked for."""
        shown = asdict(self)
        for optional in ("incremental", "partition_by", "version"):
            if shown[optional] is None:
                del shown[optional]
        shown["columns"] = list(self.columns) if self.columns is not None else None
        shown["filters"] = [asdict(each) for each in self.filters]
        return shown

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "SourceSpec":
        """Read what to_json gave."""
        columns = stored.get("columns")
        incremental = stored.get("incremental")
        return cls(
            connection=stored["connection"],
            table=stored.get("table"),
            path=stored.get("path"),
            query=stored.get("query"),
            columns=tuple(columns) if columns is not None else None,
            filters=tuple(Filter(**each) for each in stored.get("filters", ())),
            incremental=None if incremental is None else Incremental(**incremental),
            partition_by=stored.get("partition_by"),
            version=stored.get("version"),
        )
