"""Compare tables as multisets of rows."""

import pyarrow as pa


def sorted_rows(table: pa.Table, key: str) -> pa.Table:
    """Order the rows by a unique key and join the pieces, so that equal multisets are equal."""
    return table.sort_by(key).combine_chunks()


def assert_same_rows(actual: pa.Table, expected: pa.Table, key: str) -> None:
    """Fail unless both hold the same rows, each as often, with the same values and names.

    `key` is unique in `expected`; a doubled row shows in the count, a lost one too.
    """
    assert actual.column_names == expected.column_names
    assert actual.num_rows == expected.num_rows
    left, right = sorted_rows(actual, key), sorted_rows(expected, key)
    if left.equals(right):
        return
    for name in expected.column_names:
        ours, theirs = left.column(name).to_pylist(), right.column(name).to_pylist()
        if ours != theirs:
            place = next(
                i for i, pair in enumerate(zip(ours, theirs, strict=True)) if pair[0] != pair[1]
            )
            raise AssertionError(
                f"column {name}, row {place}: {ours[place]!r} != {theirs[place]!r}"
            )
