"""A version of a Delta table is read exactly, whatever is written meanwhile, or it is refused."""

import datetime
import json
import os
import shutil
import threading
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from staging.core.errors import (
    InvalidValue,
    SourceChanged,
    SourceUnsupported,
    UnknownTable,
)
from staging.core.manifest import Snapshot, SnapshotClass
from staging.core.source_spec import Filter, SourceSpec
from staging.sources.connection import Connection
from staging.sources.delta.delta_source import DeltaSource
from tests.rows import assert_same_rows
from tests.source_reading import Staged, request, sizing, stage

UTC = datetime.UTC


def source(root: Path) -> DeltaSource:
    return DeltaSource(Connection("lake", "delta", root=root))


def staged(root: Path, path: str = "t", **asked: object) -> Staged:
    return stage(source(root), SourceSpec("lake", path=path, **asked))


def numbers(first: int, last: int) -> pa.Table:
    return pa.table({"id": pa.array(range(first, last), pa.int64())})


def days() -> pa.Table:
    return pa.table(
        {
            "id": pa.array(range(12), pa.int64()),
            "day": [datetime.date(2020, 1, 1 + n % 3) for n in range(12)],
            "place": [None if n % 4 == 0 else f"ü /{n % 2}%" for n in range(12)],
            "price": pa.array([Decimal(n) / 4 for n in range(12)], pa.decimal128(10, 2)),
            "at": pa.array([datetime.datetime(2020, 1, 1, n, tzinfo=UTC) for n in range(12)]),
            "tags": [[str(n), None] for n in range(12)],
        }
    )


def test_partition_values_and_all_types_come_back_as_they_were(tmp_path):
    write_deltalake(tmp_path / "t", days(), partition_by=["day", "place"])

    table = staged(tmp_path).table
    assert_same_rows(table.select(days().column_names), days(), "id")
    assert {f.name: str(f.type) for f in table.schema} == {
        "id": "int64",
        "price": "decimal128(10, 2)",
        "at": "timestamp[us, tz=UTC]",
        "tags": "list<element: string>",
        "day": "date32[day]",
        "place": "string",
    }


@pytest.mark.parametrize("columns", [("day",), ("place", "id"), ("day", "place")])
def test_partition_columns_alone_keep_their_rows(tmp_path, columns):
    write_deltalake(tmp_path / "t", days(), partition_by=["day", "place"])

    found = staged(tmp_path, columns=columns, filters=(Filter("id", ">=", 4),)).table
    expected = days().slice(4).select(columns)
    assert sorted(map(str, found.to_pylist())) == sorted(map(str, expected.to_pylist()))


def test_a_column_that_was_added_is_null_in_older_files(tmp_path):
    write_deltalake(tmp_path / "t", numbers(0, 3))
    newer = numbers(3, 5).append_column("score", pa.array([0.5, None]))
    write_deltalake(tmp_path / "t", newer, mode="append", schema_mode="merge")

    found = staged(tmp_path).table.sort_by("id")
    assert found["score"].to_pylist() == [None, None, None, 0.5, None]


def test_a_version_is_read_by_number_and_by_time(tmp_path):
    write_deltalake(tmp_path / "t", numbers(0, 3))
    write_deltalake(tmp_path / "t", numbers(3, 5), mode="append")
    DeltaTable(tmp_path / "t").delete("id = 1")
    for version in range(3):  # a version's time is that of its file in the log
        log = tmp_path / "t" / "_delta_log" / f"{version:020}.json"
        os.utime(log, (1_800_000_000 + version, 1_800_000_000 + version))
    at = "2027-01-15T08:00:01.5Z"

    by_version = {
        version: sorted(staged(tmp_path, version=version).table["id"].to_pylist())
        for version in (0, 1, 2, None, at)
    }
    assert by_version == {
        0: [0, 1, 2],
        1: [0, 1, 2, 3, 4],
        2: [0, 2, 3, 4],
        None: [0, 2, 3, 4],
        at: [0, 1, 2, 3, 4],
    }
    assert staged(tmp_path, version=1).split.snapshot == Snapshot(SnapshotClass.PINNED, "1")


@pytest.mark.parametrize("version", [2, 2**62, "yesterday", "1990-01-01T00:00:00Z", "", -1])
def test_a_version_that_is_not_there_is_refused_with_those_that_are(tmp_path, version):
    write_deltalake(tmp_path / "t", numbers(0, 3))
    write_deltalake(tmp_path / "t", numbers(3, 5), mode="append")

    with pytest.raises(InvalidValue, match="has the versions 0 to 1") as raised:
        source(tmp_path).describe(SourceSpec("lake", path="t", version=version))
    assert [each.pointer for each in raised.value.errors] == ["#/source/version"]


def test_a_writer_that_hammers_the_table_changes_nothing(tmp_path):
    write_deltalake(tmp_path / "t", numbers(0, 1000))
    split = source(tmp_path).split(SourceSpec("lake", path="t"), None, sizing(1 << 20))
    stop = threading.Event()

    def write() -> None:
        count = 0
        while not stop.is_set():
            write_deltalake(tmp_path / "t", numbers(10_000 + count, 10_010 + count), mode="append")
            DeltaTable(tmp_path / "t").delete(f"id = {count}")
            count += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(500):
            with source(tmp_path).read(request(SourceSpec("lake", path="t"), split)) as reading:
                found = [row for batch in reading for row in batch["id"].to_pylist()]
            assert sorted(found) == list(range(1000))
            if DeltaTable(tmp_path / "t").version() > 9:
                break
    finally:
        stop.set()
        writer.join()
    assert DeltaTable(tmp_path / "t").version() > 9


def test_a_vacuum_after_planning_is_a_change(tmp_path):
    write_deltalake(tmp_path / "t", numbers(0, 10))
    spec = SourceSpec("lake", path="t")
    split = source(tmp_path).split(spec, None, sizing(1 << 20))
    write_deltalake(tmp_path / "t", numbers(5, 7), mode="overwrite")
    table = DeltaTable(tmp_path / "t")
    table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)

    with pytest.raises(SourceChanged), source(tmp_path).read(request(spec, split)) as reading:
        list(reading)
    with pytest.raises(SourceChanged, match="vacuumed"):
        staged(tmp_path, version=0)


def test_large_files_are_cut_between_row_groups(tmp_path):
    rows = pa.table({"id": pa.array(range(400_000), pa.int64())})
    write_deltalake(tmp_path / "t", rows)

    found = staged(tmp_path)
    assert sorted(found.table["id"].to_pylist()) == list(range(400_000))


def test_an_unknown_table_is_answered_with_the_nearest_names(tmp_path):
    write_deltalake(tmp_path / "sales" / "orders", numbers(0, 3))

    with pytest.raises(UnknownTable, match="nearest: sales/orders"):
        source(tmp_path).describe(SourceSpec("lake", path="sales/ordres"))


def test_nothing_outside_of_the_root_is_read(tmp_path):
    write_deltalake(tmp_path / "secret", numbers(0, 3))
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "link").symlink_to(tmp_path / "secret")
    shutil.copytree(tmp_path / "secret", tmp_path / "root" / "t")
    data = next((tmp_path / "root" / "t").glob("*.parquet"))
    data.unlink()
    data.symlink_to(tmp_path / "secret" / data.name)

    for path in ("../secret", "link"):
        with pytest.raises(InvalidValue):
            source(tmp_path / "root").describe(SourceSpec("lake", path=path))
    with pytest.raises(SourceUnsupported, match="outside of the root"):
        staged(tmp_path / "root")


def _with_actions(root: Path, *actions: dict[str, object]) -> None:
    """Commit actions as another writer's log would hold them."""
    log = root / "t" / "_delta_log" / f"{len(list((root / 't' / '_delta_log').iterdir())):020}.json"
    log.write_text("".join(json.dumps(each) + "\n" for each in actions))


def _protocol(*features: str) -> dict[str, object]:
    return {
        "protocol": {
            "minReaderVersion": 3,
            "minWriterVersion": 7,
            "readerFeatures": list(features),
            "writerFeatures": list(features),
        }
    }


def _first_commit(root: Path) -> list[dict[str, dict[str, object]]]:
    log = root / "t" / "_delta_log" / f"{0:020}.json"
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_deletion_vectors_are_refused(tmp_path):
    write_deltalake(tmp_path / "t", numbers(0, 10))
    add = next(each["add"] for each in _first_commit(tmp_path) if "add" in each)
    inline = "wi5b=000010000siXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L"  # the protocol's example
    vector = {"storageType": "i", "pathOrInlineDv": inline, "sizeInBytes": 40, "cardinality": 6}
    remove = {"path": add["path"], "deletionTimestamp": 1, "dataChange": True}
    _with_actions(
        tmp_path,
        _protocol("deletionVectors"),
        {"remove": remove},
        {"add": add | {"deletionVector": vector}},
    )

    with pytest.raises(SourceUnsupported, match="has deletion vectors"):
        staged(tmp_path)
    assert staged(tmp_path, version=0).table.num_rows == 10


def test_a_table_that_may_have_deletion_vectors_and_has_none_is_read(tmp_path):
    write_deltalake(tmp_path / "t", numbers(0, 10))
    _with_actions(tmp_path, _protocol("deletionVectors"))

    assert staged(tmp_path).table.num_rows == 10


def test_mapped_columns_are_refused(tmp_path):
    write_deltalake(tmp_path / "t", numbers(0, 10))
    metadata = next(each["metaData"] for each in _first_commit(tmp_path) if "metaData" in each)
    mapped = metadata | {"configuration": {"delta.columnMapping.mode": "name"}}
    _with_actions(tmp_path, _protocol("columnMapping"), {"metaData": mapped})

    with pytest.raises(SourceUnsupported):
        staged(tmp_path)


def test_a_feature_that_is_not_known_is_refused(tmp_path):
    write_deltalake(tmp_path / "t", numbers(0, 10))
    _with_actions(tmp_path, _protocol("rowsFromTheMoon"))

    with pytest.raises(SourceUnsupported):
        staged(tmp_path)


def test_a_log_that_cannot_be_read_is_refused(tmp_path):
    (tmp_path / "t" / "_delta_log").mkdir(parents=True)
    (tmp_path / "t" / "_delta_log" / f"{0:020}.json").write_text("{not json\n")

    with pytest.raises(SourceUnsupported, match="log that cannot be read"):
        staged(tmp_path)
