"""Parquet files from a stream of record batches: of even size, hashed while they are written."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa

from staging.core.errors import SourceChanged
from staging.core.jobs import JobOptions
from staging.storage.draft import ChunkFile, Draft, ParquetForm, most_bytes
from staging.storage.encodings import choose_encodings
from staging.storage.row_groups import GROUP_BYTES, row_groups

__all__ = ["ChunkFile", "ParquetOptions", "parquet_options", "write_chunks"]


@dataclass(frozen=True, slots=True)
class ParquetOptions:
    """How chunks are cut and encoded; `compression` is zstd, snappy, lz4 or none."""

    target_bytes: int
    compression: str = "zstd"
    compression_level: int = 1


def parquet_options(options: JobOptions) -> ParquetOptions:
    """Give how a job's chunks are cut and encoded."""
    return ParquetOptions(
        options.chunk_target_bytes, options.compression, options.compression_level or 1
    )


def write_chunks(
    batches: Iterable[pa.RecordBatch], schema: pa.Schema, options: ParquetOptions
) -> Iterator[ChunkFile]:
    """Write the rows, in order, as Parquet files; yield each when it is finished.

    Sizes lie between half the target and twice the target, but for the only file of a small
    stream and for rows that are larger than that by themselves.  A file is cut before the row
    group that might take it past 3/2 of the target, and stays open until the next one has
    reached 1/2: if the stream ends before, the short tail is appended to it.
    A file that was yielded is the caller's to close; the others are closed on any error and
    when the generator is closed.  No rows, no file.
    Raises SourceChanged if a batch has another schema, StorageUnavailable if the disk is full.
    """
    cutter = _Cutter(schema, options)
    try:
        for group in row_groups(_checked(batches, schema), cutter.group_bytes):
            yield from cutter.add(group)
        yield from cutter.end()
    finally:
        cutter.discard()


def _checked(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        if not batch.schema.equals(schema):
            raise SourceChanged("a batch does not have the job's schema")
        yield batch


class _Cutter:
    """The file that is being filled, and the full one before it that may have to take a tail."""

    def __init__(self, schema: pa.Schema, options: ParquetOptions) -> None:
        self._schema = schema
        self._options = options
        self._target = options.target_bytes
        self.group_bytes = min(GROUP_BYTES, self._target // 2)
        self._form: ParquetForm | None = None
        self._full: Draft | None = None
        self._filling: Draft | None = None

    def add(self, group: pa.Table) -> Iterator[ChunkFile]:
        """Write a row group; yield the full file once the one after it is long enough."""
        if self._filling is not None and self._is_full_for(self._filling, group):
            self._full, self._filling = self._filling, None
        if self._filling is None:
            self._filling = self._new_draft(group)
        self._filling.write(group)
        if self._full is not None and not self._is_short(self._filling):
            yield self._finish_full()

    def end(self) -> Iterator[ChunkFile]:
        """Yield what is left, a short tail as part of the file before it."""
        if self._full is not None and self._filling is not None:
            both = self._full.byte_count + self._filling.byte_count
            if self._is_short(self._filling) and both <= 2 * self._target:
                self._full.absorb(self._filling)
                self._filling = None
            yield self._finish_full()
        if self._filling is not None:
            self._full, self._filling = self._filling, None
            yield self._finish_full()

    def discard(self) -> None:
        """Let go of every file that was not yielded."""
        for draft in (self._full, self._filling):
            if draft is not None:
                draft.discard()

    def _finish_full(self) -> ChunkFile:
        """Finish the full file and let go of it, so that a later error leaves it alone."""
        assert self._full is not None
        chunk = self._full.finish()
        self._full = None
        return chunk

    def _is_short(self, draft: Draft) -> bool:
        return draft.byte_count < self._target / 2

    def _is_full_for(self, draft: Draft, group: pa.Table) -> bool:
        """Tell whether the group might take the file past 3/2 of the target; not a short file."""
        return not self._is_short(draft) and (
            draft.byte_count + most_bytes(group) > 1.5 * self._target
        )

    def _new_draft(self, sample: pa.Table) -> Draft:
        if self._form is None:
            self._form = ParquetForm(
                self._schema,
                self._options.compression,
                self._options.compression_level,
                choose_encodings(sample),
            )
        return Draft(self._form)
