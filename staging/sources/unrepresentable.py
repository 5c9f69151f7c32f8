"""Say that a column holds values which have no form in its Arrow type."""

import pyarrow as pa

from staging.core.errors import Unrepresentable


def unrepresentable(column: str, count: int, kind: pa.DataType) -> Unrepresentable:
    """Say which column holds values that have no form in its type, and how many were seen."""
    values = "value" if count == 1 else "values"
    return Unrepresentable(
        f"column {column!r} holds at least {count} {values} that {kind} cannot represent; "
        "filter them out, or set on_unrepresentable to null"
    )
