"""Make record batches of a stream of rows, each of bounded bytes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from staging.sources.mysql.catalogue import Column
from staging.sources.mysql.packets import Row
from staging.sources.mysql.rows import Rows
from staging.sources.mysql.values import array_of

_MOST_ROWS = 32_768
_BATCH_BYTES = 16 * 1024 * 1024
"""Memory of the rows of a batch, as Python keeps them; a larger row is a batch of its own."""
_NARROW_BYTES = 64
"""Values that may be longer are measured one by one."""
_VALUE_BYTES = 48
"""What Python keeps for a value besides its text."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows, and the count of values that have no form, by column; they are NULL."""

    batch: pa.RecordBatch
    lost: Mapping[str, int]


def batches_of(rows: Rows, columns: Sequence[Column], schema: pa.Schema) -> Iterator[Batch]:
    """Give the rows in order, as batches of the schema."""
    for group in _groups(rows, columns):
        yield _batch(group, columns, schema)


def _groups(rows: Rows, columns: Sequence[Column]) -> Iterator[list[Row]]:
    wide = [i for i, each in enumerate(columns) if each.most_bytes > _NARROW_BYTES]
    narrow = sum(each.most_bytes for each in columns if each.most_bytes <= _NARROW_BYTES)
    row_bytes = narrow + _VALUE_BYTES * len(columns)
    group: list[Row] = []
    size = 0
    for row in rows:
        group.append(row)
        size += row_bytes
        for i in wide:
            size += len(row[i] or b"")
        if size >= _BATCH_BYTES or len(group) == _MOST_ROWS:
            yield group
            group, size = [], 0
    if group:
        yield group


def _batch(group: Sequence[Row], columns: Sequence[Column], schema: pa.Schema) -> Batch:
    arrays, lost = [], {}
    for column, sent in zip(columns, zip(*group, strict=True), strict=True):
        values, bad = array_of(sent, column.rule.arrow)
        arrays.append(values)
        if bad:
            lost[column.name] = bad
    return Batch(pa.RecordBatch.from_arrays(arrays, schema=schema), lost)
