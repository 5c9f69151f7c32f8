"""How large the partitions of a job are to be."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa

_LEAST_SHARE = 0.55


def _always_wanted() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Sizing:
    """What a source is told when it is split.

    `encoded_bytes` tells how many bytes of Parquet some rows take in the job's chunks;
    `readers` is how many partitions are read at once.  `check` is called before each file is
    opened, by several threads maybe: it raises once the split is not wanted any more.
    """

    target_bytes: int
    encoded_bytes: Callable[[Sequence[pa.RecordBatch]], int]
    readers: int = 1
    check: Callable[[], None] = _always_wanted

    def parts(self, total_bytes: float) -> int:
        """Count the parts of about the target size, a multiple of `readers` where sizes allow.

        With a multiple no reader is idle at the end.  A part has from 0.55 to 1.1 times the
        target, or there is one part, or a part for each reader is not to be had.
        """
        parts = math.ceil(total_bytes / self.target_bytes)
        if parts <= 1:
            return 1
        rounds = math.ceil(parts / self.readers)
        if total_bytes / (rounds * self.readers) < _LEAST_SHARE * self.target_bytes:
            rounds -= 1
        return rounds * self.readers or parts
