"""Follow the greatest value of a column through the batches of a partition."""

from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from staging.core.errors import Unrepresentable
from staging.core.high_water import later, mark_value


class HighWater:
    """The mark of one column so far; without a column there is none."""

    def __init__(self, column: str | None) -> None:
        self._column = column
        self.mark: int | None = None

    def through(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Give the batches as they are, and look at each.

        Raises Unrepresentable if the greatest value is one that no filter can name.
        """
        for batch in batches:
            if self._column is not None:
                self._see(self._column, pc.max(batch.column(self._column)))
            yield batch

    def _see(self, column: str, greatest: pa.Scalar) -> None:
        if not greatest.is_valid:
            return
        self.mark = later(self.mark, _whole_number(greatest))
        try:
            mark_value(str(greatest.type), self.mark or 0)
        except OverflowError:
            raise Unrepresentable(
                f"column {column!r} has a date outside of the years 1 to 9999, after which no "
                "incremental job can go on"
            ) from None


def _whole_number(value: pa.Scalar) -> int:
    if pa.types.is_decimal(value.type):
        sign, digits, _ = value.as_py().as_tuple()
        whole = int("".join(map(str, digits)))
        return -whole if sign else whole
    return int(value.as_py() if pa.types.is_integer(value.type) else value.value)
