"""Parquet files from a stream of record batches: of even size, hashed while they are written."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class ParquetOptions:
    """How chunks are cut and encoded; `compression` is zstd, snappy, lz4 or none."""

    target_bytes: int
    compression: str = "zstd"
    compression_level: int = 1


@dataclass(frozen=True, slots=True)
class ChunkFile:
    """One finished Parquet file; `sha256` is lower-case hex of all its bytes."""

    path: Path
    row_count: int
    byte_count: int
    sha256: str


def write_chunks(
    batches: Iterable[pa.RecordBatch], schema: pa.Schema, *, folder: Path, options: ParquetOptions
) -> Iterator[ChunkFile]:
    """Write the rows, in order, as Parquet files in the folder; yield each when it is finished.

    A file that was yielded is the caller's to delete; the others are deleted on any error.
    """
    raise NotImplementedError
