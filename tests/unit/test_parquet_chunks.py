import hashlib
import os
import resource
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from random import Random

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staging.core.errors import SourceChanged, SourceUnsupported, StorageUnavailable
from staging.storage.parquet import ChunkFile, ParquetOptions, write_chunks
from staging.storage.row_groups import GROUP_ROWS, row_groups

TARGET = 1 << 20
OPTIONS = ParquetOptions(target_bytes=TARGET)
NOISE = pa.schema([pa.field("id", pa.int64(), nullable=False), ("noise", pa.binary(100))])


def noise(rows: int, start: int = 0) -> pa.RecordBatch:
    """Rows of 108 bytes that do not compress."""
    values = Random(start).randbytes(100 * rows)
    return pa.record_batch(
        [
            pa.array(range(start, start + rows), pa.int64()),
            pa.FixedSizeBinaryArray.from_buffers(
                pa.binary(100), rows, [None, pa.py_buffer(values)]
            ),
        ],
        schema=NOISE,
    )


def stream(*lengths: int) -> Iterator[pa.RecordBatch]:
    start = 0
    for rows in lengths:
        yield noise(rows, start)
        start += rows


def read(chunks: list[ChunkFile]) -> pa.Table:
    return pa.concat_tables(
        pq.read_table(chunk.file, page_checksum_verification=True) for chunk in chunks
    )


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which temporary files are made."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def inodes(folder: Path) -> list[int]:
    """The files of a folder that this process has open; none of them has a name."""
    assert list(folder.iterdir()) == []
    found = []
    for each in os.listdir("/proc/self/fd"):
        with suppress(OSError):  # the listing's own
            if os.readlink(f"/proc/self/fd/{each}").startswith(f"{folder}/"):
                found.append(os.fstat(int(each)).st_ino)
    return found


def inode(chunk: ChunkFile) -> int:
    return os.fstat(chunk.file.fileno()).st_ino


def collect(chunks: Iterator[ChunkFile], into: list[ChunkFile]) -> None:
    for chunk in chunks:
        into.append(chunk)


@settings(deadline=None, max_examples=25)
@given(lengths=st.lists(st.integers(0, 30_000), max_size=8))
def test_every_row_is_in_one_file_in_order_and_sizes_keep_within_a_factor_of_two(lengths):
    chunks = list(write_chunks(stream(*lengths), NOISE, OPTIONS))

    expected = pa.Table.from_batches(stream(*lengths), NOISE)
    if expected.num_rows == 0:
        assert chunks == []
        return
    assert read(chunks).equals(expected)
    for chunk in chunks:
        chunk.file.seek(0)
        body = chunk.file.read()
        assert chunk == ChunkFile(
            chunk.file,
            pq.read_metadata(chunk.file).num_rows,
            len(body),
            hashlib.sha256(body).hexdigest(),
        )
        assert chunk.byte_count <= 2 * TARGET
        assert len(chunks) == 1 or chunk.byte_count >= TARGET / 2
        chunk.file.close()


@settings(deadline=None, max_examples=50)
@given(
    lengths=st.lists(st.integers(0, 5_000), max_size=30),
    max_bytes=st.integers(1, 1 << 20),
)
def test_row_groups_hold_all_rows_and_are_as_full_as_they_may_be(lengths, max_bytes):
    groups = list(row_groups(stream(*lengths), max_bytes))

    if groups:
        expected = pa.Table.from_batches(stream(*lengths))
        assert pa.concat_tables(groups).equals(expected)
    assert sum(group.num_rows for group in groups) == sum(lengths)
    rows_that_fit = max(1, min(GROUP_ROWS, max_bytes // 108))
    assert [group.num_rows for group in groups[:-1]] == [rows_that_fit] * (len(groups) - 1)


def test_narrow_rows_fill_groups_of_122880():
    batches = [pa.record_batch({"n": range(50_000)}) for _ in range(7)]

    groups = [group.num_rows for group in row_groups(iter(batches), 32 << 20)]

    assert groups == [GROUP_ROWS, GROUP_ROWS, 7 * 50_000 - 2 * GROUP_ROWS]


def test_a_short_tail_joins_the_file_before_it(scratch):
    longer_than_one = int(1.7 * TARGET / 100)
    (chunk,) = write_chunks(stream(longer_than_one), NOISE, OPTIONS)

    assert 1.5 * TARGET < chunk.byte_count < 2 * TARGET
    assert inodes(scratch) == [inode(chunk)]


def test_a_file_is_given_out_before_the_stream_ends():
    seen = 0

    def counted() -> Iterator[pa.RecordBatch]:
        nonlocal seen
        for batch in stream(*[1000] * 100):
            seen += 1
            yield batch

    first = next(write_chunks(counted(), NOISE, OPTIONS))

    assert first.row_count < seen * 1000 < 3 * TARGET / 100


def test_a_row_larger_than_the_target_is_a_file_of_its_own():
    schema = pa.schema([("text", pa.binary())])
    rows = [Random(n).randbytes(3 * TARGET) for n in range(3)]
    batch = pa.record_batch([pa.array(rows, pa.binary())], schema=schema)

    chunks = list(write_chunks([batch], schema, OPTIONS))

    assert [chunk.row_count for chunk in chunks] == [1, 1, 1]
    assert read(chunks).column("text").to_pylist() == rows


def test_a_stream_without_rows_gives_no_file(scratch):
    assert list(write_chunks(stream(0, 0), NOISE, OPTIONS)) == []
    assert inodes(scratch) == []


def test_an_error_of_the_source_leaves_only_the_files_that_were_given_out(scratch):
    def broken() -> Iterator[pa.RecordBatch]:
        yield from stream(*[1000] * 29)
        raise ConnectionError("the source is gone")

    given: list[ChunkFile] = []
    with pytest.raises(ConnectionError, match="the source is gone"):
        collect(write_chunks(broken(), NOISE, OPTIONS), given)

    assert len(given) == 1
    assert inodes(scratch) == [inode(given[0])]


def test_a_closed_run_deletes_what_it_had_not_given_out(scratch):
    run = write_chunks(stream(*[1000] * 60), NOISE, OPTIONS)
    first = next(run)
    assert len(inodes(scratch)) == 2

    run.close()

    assert inodes(scratch) == [inode(first)]


def test_a_batch_of_another_schema_is_refused_and_leaves_no_file(scratch):
    other = pa.record_batch({"id": [1], "noise": ["text"]})

    with pytest.raises(SourceChanged):
        list(write_chunks([noise(10), other], NOISE, OPTIONS))

    assert inodes(scratch) == []


def test_a_type_that_parquet_cannot_hold_is_refused_and_leaves_no_file(scratch):
    schema = pa.schema([("span", pa.month_day_nano_interval())])
    batch = pa.record_batch([pa.array([(1, 2, 3)], schema.field(0).type)], schema=schema)

    with pytest.raises(SourceUnsupported):
        list(write_chunks([batch], schema, OPTIONS))

    assert inodes(scratch) == []


@pytest.fixture
def full_disk() -> Iterator[None]:
    """Let no file of this process grow past 300 KB, as a full disk would."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("rows", [2_995, 20_000], ids=["in the footer", "in the middle"])
def test_a_full_disk_is_reported_as_retryable_and_leaves_no_file(full_disk, scratch, rows):
    with pytest.raises(StorageUnavailable, match="File too large"):
        list(write_chunks(stream(rows), NOISE, OPTIONS))

    assert inodes(scratch) == []


def test_a_disk_that_takes_no_new_file_is_reported_as_retryable(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))

    with pytest.raises(StorageUnavailable, match="temporary files cannot be written"):
        list(write_chunks(stream(10), NOISE, OPTIONS))


MANY = 2_000
KINDS = {
    "boolean": pa.array([n % 3 == 0 for n in range(MANY)]),
    "int8": pa.array([n % 100 for n in range(MANY)], pa.int8()),
    "uint64": pa.array([2**64 - 1 - n for n in range(MANY)], pa.uint64()),
    "int64": pa.array([(-1) ** n * (2**62 - n) for n in range(MANY)]),
    "float32": pa.array([n / 7 for n in range(MANY)], pa.float32()),
    "float64": pa.array([float("inf"), float("-inf"), -0.0, *(n / 7 for n in range(MANY - 3))]),
    "float16": pa.array([n / 8 for n in range(MANY)]).cast(pa.float16()),
    "decimal9": pa.array([Decimal(n) / 100 for n in range(MANY)], pa.decimal128(9, 2)),
    "decimal18": pa.array([Decimal(10**15 + n) / 100 for n in range(MANY)], pa.decimal128(18, 2)),
    "decimal38": pa.array([Decimal(10**35 + n) for n in range(MANY)], pa.decimal128(38, 0)),
    "decimal76": pa.array([Decimal(10**70 + n) for n in range(MANY)], pa.decimal256(76, 0)),
    "repeated text": pa.array([f"kind {n % 5}" for n in range(MANY)]),
    "text": pa.array([f"ünï {n}" for n in range(MANY)]),
    "large_text": pa.array([f"{n}" for n in range(MANY)], pa.large_string()),
    "binary": pa.array([n.to_bytes(4, "big") for n in range(MANY)]),
    "fixed": pa.array([n.to_bytes(16, "big") for n in range(MANY)], pa.binary(16)),
    "date": pa.array(range(-1000, MANY - 1000), pa.int32()).cast(pa.date32()),
    "time": pa.array(range(MANY), pa.int64()).cast(pa.time64("us")),
    "timestamp": pa.array(range(MANY), pa.int64()).cast(pa.timestamp("us")),
    "timestamptz": pa.array(range(MANY), pa.int64()).cast(pa.timestamp("us", "UTC")),
    "nanoseconds": pa.array(range(MANY), pa.int64()).cast(pa.timestamp("ns")),
    "duration": pa.array(range(MANY), pa.int64()).cast(pa.duration("us")),
    "list": pa.array([[n, None] for n in range(MANY)], pa.list_(pa.int32())),
    "struct": pa.array([{"a": n, "b": "x"} for n in range(MANY)]),
    "dictionary": pa.array(["a", "b"] * (MANY // 2)).dictionary_encode(),
    "dot.ted": pa.array(range(MANY)),
    "null": pa.nulls(MANY),
}


@pytest.mark.parametrize("compression", ["zstd", "snappy", "lz4", "none"])
def test_every_type_comes_back_as_it_was_with_its_nulls(compression):
    gaps = pa.array([n % 7 == 0 for n in range(MANY)])
    whole = pa.table(KINDS)
    gapped = {
        name: pc.if_else(gaps, pa.scalar(None, column.type), column)
        for name, column in KINDS.items()
        if name not in {"list", "struct", "dictionary", "null"}
    }

    table = pa.concat_tables([whole, pa.table(KINDS | gapped)])
    options = ParquetOptions(TARGET, compression, 3)

    chunks = list(write_chunks(table.to_batches(), table.schema, options))

    assert read(chunks).equals(table)
    columns = pq.read_metadata(chunks[0].file).row_group(0)
    name = "uncompressed" if compression == "none" else compression
    assert {columns.column(n).compression.lower() for n in range(columns.num_columns)} == {name}


def test_another_engine_reads_every_encoding_that_is_chosen():
    names = ["int64", "float64", "decimal18", "repeated text", "text", "date", "timestamptz"]
    table = pa.table({name.replace(" ", "_"): KINDS[name] for name in names})

    (chunk,) = write_chunks(table.to_batches(), table.schema, OPTIONS)

    encodings = {
        each.path_in_schema: set(each.encodings)
        for group in [pq.read_metadata(chunk.file).row_group(0)]
        for each in map(group.column, range(group.num_columns))
    }
    assert "DELTA_BINARY_PACKED" in encodings["int64"] & encodings["decimal18"]
    assert "BYTE_STREAM_SPLIT" in encodings["float64"]
    assert "DELTA_LENGTH_BYTE_ARRAY" in encodings["text"]
    assert "RLE_DICTIONARY" in encodings["repeated_text"]
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        seen = connection.read_parquet(f"/proc/self/fd/{chunk.file.fileno()}").to_arrow_table()
    assert seen.cast(table.schema).equals(table)
