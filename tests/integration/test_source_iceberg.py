"""A snapshot of an Iceberg table is read exactly, whatever its files and writers do."""

import datetime
import json
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg import types

from staging.core.errors import InvalidValue
from staging.core.manifest import Snapshot, SnapshotClass
from staging.core.source_spec import SourceSpec
from staging.sources.iceberg.iceberg_source import IcebergSource
from tests.iceberg_lake import Lake, numbers, staged
from tests.rows import assert_same_rows
from tests.source_reading import request, sizing

UTC = datetime.UTC
NOON = datetime.datetime(2020, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(tmp_path)


def test_large_files_are_cut_between_row_groups(lake):
    noise = random.Random(1)
    rows = pa.table({"id": range(400_000), "noise": [noise.random() for _ in range(400_000)]})
    lake.create("shop.t", rows, **{"write.parquet.row-group-limit": "100000"})

    found = staged(lake)
    assert found.partition_rows == [100_000] * 4
    assert_same_rows(found.table, rows, "id")


def test_a_table_of_the_first_format_version_is_read(lake):
    table = lake.create("shop.t", numbers(0, 3), **{"format-version": "1"})
    table.append(numbers(3, 5))

    assert sorted(staged(lake).table["id"].to_pylist()) == [0, 1, 2, 3, 4]


def test_a_table_that_nothing_was_written_to_has_a_schema_and_no_rows(lake):
    lake.create("shop.t", numbers(0, 1).schema)

    found = staged(lake)
    assert (found.table.schema.names, found.table.num_rows) == (["id"], 0)
    assert found.split.snapshot == Snapshot(SnapshotClass.PINNED, None)


def test_a_version_is_read_by_id_and_by_time_with_the_columns_of_then(lake):
    table = lake.create("shop.t", numbers(0, 3))
    first = table.current_snapshot()
    time.sleep(0.01)
    with table.update_schema() as update:
        update.add_column("name", types.StringType())
    table.append(numbers(3, 5).append_column("name", [["a", "b"]]))
    second = table.refresh().current_snapshot()
    time.sleep(0.01)
    table.delete("id = 1")
    between = datetime.datetime.fromtimestamp(second.timestamp_ms / 1000 + 0.002, UTC).isoformat()

    by_version = {
        version: sorted(staged(lake, version=version).table["id"].to_pylist())
        for version in (
            first.snapshot_id,
            str(first.snapshot_id),
            second.snapshot_id,
            None,
            between,
        )
    }
    assert by_version == {
        first.snapshot_id: [0, 1, 2],
        str(first.snapshot_id): [0, 1, 2],
        second.snapshot_id: [0, 1, 2, 3, 4],
        None: [0, 2, 3, 4],
        between: [0, 1, 2, 3, 4],
    }
    old = staged(lake, version=first.snapshot_id)
    assert old.table.column_names == ["id"]
    assert old.split.snapshot == Snapshot(SnapshotClass.PINNED, str(first.snapshot_id))


@pytest.mark.parametrize("version", [0, 2**70, "17", "yesterday", "1990-01-01T00:00:00Z", "", True])
def test_a_version_that_is_not_there_is_refused_with_those_that_are(lake, version):
    table = lake.create("shop.t", numbers(0, 3))
    asked = SourceSpec("lake", table="shop.t", version=version)

    known = rf"has 1 snapshots, the newest: {table.current_snapshot().snapshot_id} \("
    with pytest.raises(InvalidValue, match=known) as raised:
        IcebergSource(lake.connection).describe(asked)
    assert [each.pointer for each in raised.value.errors] == ["#/source/version"]


def test_a_writer_that_appends_overwrites_and_deletes_changes_nothing(lake):
    table = lake.create("shop.t", numbers(0, 700))
    table.append(numbers(700, 1000))
    source, spec = IcebergSource(lake.connection), SourceSpec("lake", table="shop.t")
    split = source.split(spec, None, sizing(1 << 20))
    stop, commits = threading.Event(), 0
    seen: list[tuple[str | None, pa.Table]] = []

    def write() -> None:
        nonlocal commits
        written = lake.catalog.load_table("shop.t")
        while not stop.is_set():
            written.append(numbers(10_000 + commits, 10_010 + commits))
            written.delete(f"id = {commits}")
            written.overwrite(numbers(0, 700), f"id < {commits % 7 * 100}")
            commits += 3

    writer = threading.Thread(target=write)
    writer.start()
    try:
        while commits < 9 and writer.is_alive():
            found = []
            for index in range(len(split.bounds)):
                with source.read(request(spec, split, index)) as reading:
                    found += [row for batch in reading for row in batch["id"].to_pylist()]
            assert sorted(found) == list(range(1000))
            newer = staged(lake)
            seen.append((newer.split.snapshot.value, newer.table))
    finally:
        stop.set()
        writer.join()
    assert commits >= 9
    assert len({number for number, _ in seen}) > 1
    for number, read in [(split.snapshot.value, numbers(0, 1000)), *seen]:
        assert_same_rows(read, table.refresh().scan(snapshot_id=int(number)).to_arrow(), "id")


_READ = """
import json, sys
from pathlib import Path
import pyarrow as pa
from staging.core.source_spec import SourceSpec
from staging.sources.connection import Connection
from staging.sources.kinds import source_for
from staging.sources.source import ReadRequest

root, bounds = Path(sys.argv[1]), json.loads(sys.argv[2])
schema = pa.schema([("id", pa.int64())])
spec = SourceSpec("lake", table="shop.t")
source = source_for(Connection("lake", "iceberg", root=root))
with source.read(ReadRequest(spec, bounds, schema, None, "test")) as reading:
    print(sum(batch.num_rows for batch in reading), "pyiceberg" in sys.modules)
"""


def test_a_task_that_reads_a_partition_does_not_load_pyiceberg(lake):
    lake.create("shop.t", numbers(0, 10))
    bounds = staged(lake).split.bounds[0]

    shown = subprocess.run(
        [sys.executable, "-c", _READ, str(lake.root), json.dumps(bounds)],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert shown.stdout == "10 False\n"
