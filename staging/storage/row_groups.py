"""Gather record batches into row groups, bounded by rows and by bytes."""

from collections.abc import Iterable, Iterator

import pyarrow as pa

GROUP_ROWS = 122_880
"""Rows of a full group: the unit of DuckDB's own files, and of the plan of ranks."""
GROUP_BYTES = 32 << 20
"""Arrow bytes of a group at most: what a writer holds in memory, whatever the width of a row."""


def row_groups(batches: Iterable[pa.RecordBatch], max_bytes: int) -> Iterator[pa.Table]:
    """Give the rows, in order, in full groups: as many as fit into GROUP_ROWS and `max_bytes`.

    A row that is larger than that is a group of its own.  Only one group is held at a time.
    """
    held = _Held(max_bytes)
    for batch in batches:
        rest = batch
        while rest.num_rows:
            taken = held.take(rest)
            rest = rest.slice(taken)
            if rest.num_rows:
                yield held.release()
    if held.pieces:
        yield held.release()


class _Held:
    """The pieces of the group that is being gathered."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._clear()

    def _clear(self) -> None:
        self.pieces: list[pa.RecordBatch] = []
        self._rows = 0
        self._bytes = 0

    def take(self, batch: pa.RecordBatch) -> int:
        """Add as many of the batch's first rows as fit, one at least to an empty group."""
        piece = self._fitting(batch)
        if piece.num_rows:
            self.pieces.append(piece)
            self._rows += piece.num_rows
            self._bytes += piece.nbytes
        return int(piece.num_rows)

    def _fitting(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        room = self._max_bytes - self._bytes
        piece = batch.slice(0, GROUP_ROWS - self._rows)
        least = 0 if self.pieces else 1
        while piece.num_rows > least and piece.nbytes > room:
            fitting = int(piece.num_rows * room / piece.nbytes)
            piece = piece.slice(0, max(least, min(fitting, piece.num_rows - 1)))
        return piece

    def release(self) -> pa.Table:
        """Give the group and start an empty one."""
        group = pa.Table.from_batches(self.pieces)
        self._clear()
        return group
