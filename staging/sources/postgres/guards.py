"""Find values that the engine changed silently, in the batches themselves."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

_EARLIEST_DAY = -2_440_588
"""The first date that Postgres has, day 0 of the Julian calendar, in days from 1970."""
_LAST_DAY = 2_147_483_493 + _EARLIEST_DAY
"""The last one, Julian day 2147483493 (datatype/timestamp.h)."""
_DAY = 86_400_000_000


@dataclass(frozen=True, slots=True)
class _Bounds:
    """The stored integers of a type that mean what they say; anything else is not representable."""

    storage: pa.DataType
    first: int
    last: int


_BOUNDS: Mapping[int, _Bounds] = {
    # Infinity is ±(2^31 - 1) days.
    pa.date32().id: _Bounds(pa.int32(), _EARLIEST_DAY, _LAST_DAY),
    # 24:00:00 is a time in Postgres, not in Arrow.
    pa.time64("us").id: _Bounds(pa.int64(), 0, _DAY - 1),
    # Infinity is ±(2^63 - 1); what lies past year 294246 wraps around to before the first date.
    pa.timestamp("us").id: _Bounds(pa.int64(), _EARLIEST_DAY * _DAY, 2**63 - 2),
}


def out_of_range(column: pa.Array) -> pa.Array | None:
    """Mark the values that are infinite or out of range; None if there are none."""
    bounds = _BOUNDS[column.type.id]
    stored = column.view(bounds.storage)
    extremes = pc.min_max(stored)
    low, high = extremes["min"].as_py(), extremes["max"].as_py()
    if low is None or (bounds.first <= low and high <= bounds.last):
        return None
    bad = pc.or_(pc.less(stored, bounds.first), pc.greater(stored, bounds.last))
    return pc.fill_null(bad, False)


def holds_zero(column: pa.Array) -> bool:
    """Tell whether a decimal column has a 0, which is also what the engine makes of a NaN."""
    return bool(pc.any(pc.equal(column, pa.scalar(Decimal(0), column.type))).as_py())


def null_out(column: pa.Array, bad: pa.Array) -> pa.Array:
    """Put NULL where a value is bad."""
    return pc.if_else(bad, pa.scalar(None, column.type), column)
