"""A Parquet file that is still being written."""

from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from staging.core.errors import SourceUnsupported, StorageUnavailable
from staging.storage.encodings import Encodings
from staging.storage.hashing_sink import HashingSink

_FOOTER_BYTES = 128
"""What one column of one row group adds to the footer (118 were seen on lineitem)."""
_PAGE_BYTES = 128
"""What the headers of one column's pages take in one row group, the dictionary's included."""


@dataclass(frozen=True, slots=True)
class ChunkFile:
    """One finished Parquet file; `sha256` is lower-case hex of all its bytes.

    It has no name and is gone when `file` is closed.
    """

    file: BinaryIO
    row_count: int
    byte_count: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ParquetForm:
    """What all files of a run have in common."""

    schema: pa.Schema
    compression: str
    compression_level: int
    encodings: Encodings

    def writer(self, sink: HashingSink) -> pq.ParquetWriter:
        """Open pyarrow's writer: page checksums on, short decimals as integers.

        Raises SourceUnsupported for a type that Parquet has no form for.
        """
        try:
            return self._open(sink)
        except pa.ArrowNotImplementedError as unknown:
            raise SourceUnsupported(f"Parquet cannot hold a column: {unknown}") from unknown

    def _open(self, sink: HashingSink) -> pq.ParquetWriter:
        return pq.ParquetWriter(
            sink,
            self.schema,
            compression=self.compression,
            compression_level=self.compression_level if self.compression == "zstd" else None,
            use_dictionary=list(self.encodings.dictionary),
            column_encoding=dict(self.encodings.others),
            write_statistics=list(self.encodings.statistics),
            store_decimal_as_integer=True,
            write_page_checksum=True,
        )


def most_bytes(group: pa.Table) -> int:
    """Give the bytes that a row group takes at most: its values unpacked, headers, footer."""
    return int(group.nbytes + group.num_columns * (_PAGE_BYTES + _FOOTER_BYTES))


class Draft:
    """One file in the making, to be finished or discarded."""

    def __init__(self, form: ParquetForm) -> None:
        self._sink = HashingSink()
        self._schema = form.schema
        try:
            self._writer = form.writer(self._sink)
        except SourceUnsupported:
            self._sink.file.close()
            raise
        self._rows = 0
        self._footer_bytes = 0

    @property
    def byte_count(self) -> int:
        """Bytes of the file if it were finished now, nearly."""
        return self._sink.byte_count + self._footer_bytes

    def write(self, group: pa.Table) -> None:
        """Append one row group."""
        self._writer.write_table(group, row_group_size=group.num_rows)
        self._rows += group.num_rows
        self._footer_bytes += group.num_columns * _FOOTER_BYTES

    def absorb(self, shorter: "Draft") -> None:
        """Append the rows of another draft, one row group at a time, and let go of it."""
        tail = shorter.finish()
        with tail.file, pq.ParquetFile(tail.file, page_checksum_verification=True) as file:
            for group in range(file.num_row_groups):
                self.write(file.read_row_group(group, use_threads=False).cast(self._schema))

    def finish(self) -> ChunkFile:
        """Write the footer; the file is the caller's from now on."""
        self._writer.close()
        self._sink.close()
        return ChunkFile(self._sink.file, self._rows, self._sink.byte_count, self._sink.sha256)

    def discard(self) -> None:
        """Let go of the file, whatever became of its writer."""
        with suppress(pa.ArrowException, OSError, StorageUnavailable):
            self._writer.close()
        with suppress(OSError):
            self._sink.file.close()
