"""Row groups of a Parquet file: cut between them, and read them in batches of bounded bytes."""

from typing import Any

_MOST_BATCH_ROWS = 122_880
_BATCH_BYTES = 24 * 1024 * 1024


def cut_row_groups(metadata: Any, target_bytes: int) -> list[list[int]]:
    """Give half-open runs of row groups of about the target; none when the file is empty."""
    runs: list[list[int]] = []
    first, run_bytes = 0, 0
    for group in range(metadata.num_row_groups):
        run_bytes += _group_bytes(metadata.row_group(group))
        if run_bytes >= target_bytes or group == metadata.num_row_groups - 1:
            runs.append([first, group + 1])
            first, run_bytes = group + 1, 0
    return runs


def batch_rows(metadata: Any, groups: range) -> int:
    """Choose the rows of a batch by the widest row group's bytes before compression."""
    widest = max(
        (metadata.row_group(i).total_byte_size / max(1, metadata.row_group(i).num_rows))
        for i in groups
    )
    return max(1, min(_MOST_BATCH_ROWS, int(_BATCH_BYTES / max(1.0, widest))))


def _group_bytes(group: Any) -> int:
    return sum(group.column(i).total_compressed_size for i in range(group.num_columns))
