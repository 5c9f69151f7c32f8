"""A version of a Delta table in a bucket is read exactly, with the connection's keys alone."""

import datetime
import io
import json
import time
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from staging.core.errors import (
    InvalidValue,
    SourceAuth,
    SourceChanged,
    SourceUnavailable,
    SourceUnsupported,
    UnknownTable,
)
from staging.core.manifest import Snapshot, SnapshotClass
from staging.core.source_spec import Filter
from staging.local.ports import free_port
from tests.buckets import BucketRoot, new_root
from tests.rows import assert_same_rows
from tests.source_reading import Staged, request, sizing, stage


def numbers(first: int, last: int) -> pa.Table:
    return pa.table({"id": pa.array(range(first, last), pa.int64())})


@pytest.fixture
def lake(s3, tmp_path) -> BucketRoot:
    """A bucket's prefix with the table `t`: version 0 has 0 to 2, version 1 also 3 and 4."""
    lake = new_root(s3)
    write_deltalake(tmp_path / "t", numbers(0, 3))
    write_deltalake(tmp_path / "t", numbers(3, 5), mode="append")
    lake.upload(tmp_path)
    return lake


def staged(lake: BucketRoot, path: str = "t", **asked: object) -> Staged:
    return stage(lake.source("delta"), lake.spec(path, **asked))


def ids(found: Staged) -> list[int]:
    return sorted(found.table["id"].to_pylist())


def test_a_version_is_read_by_number(lake):
    by_version = {version: ids(staged(lake, version=version)) for version in (0, 1, None)}

    assert by_version == {0: [0, 1, 2], 1: [0, 1, 2, 3, 4], None: [0, 1, 2, 3, 4]}
    assert staged(lake, version=0).split.snapshot == Snapshot(SnapshotClass.PINNED, "0")


def test_a_version_is_read_by_the_time_at_which_its_log_was_put(lake, tmp_path):
    time.sleep(2.1)  # the store's times are whole seconds
    between = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=1)
    DeltaTable(tmp_path / "t").delete("id = 1")
    lake.upload(tmp_path / "t" / "_delta_log", below="t/_delta_log", only=f"{2:020}.json")
    for file in (tmp_path / "t").glob("*.parquet"):
        lake.put(f"t/{file.name}", file.read_bytes())

    assert ids(staged(lake)) == [0, 2, 3, 4]
    assert ids(staged(lake, version=between.isoformat())) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("version", [2, "yesterday", "1990-01-01T00:00:00Z", -1])
def test_a_version_that_is_not_there_is_refused_with_those_that_are(lake, version):
    with pytest.raises(InvalidValue, match="has the versions 0 to 1") as raised:
        lake.source("delta").describe(lake.spec("t", version=version))

    assert [each.pointer for each in raised.value.errors] == ["#/source/version"]


@pytest.mark.parametrize("path", ["parts", "odd a b#c+d?ü&/parts", "."])
def test_partition_values_come_back_whatever_names_they_have(s3, tmp_path, path):
    lake = new_root(s3)
    rows = pa.table(
        {
            "id": pa.array(range(12), pa.int64()),
            "day": [datetime.date(2020, 1, 1 + n % 3) for n in range(12)],
            "the place": [None if n % 4 == 0 else f"ü /{n % 2}%41" for n in range(12)],
        }
    )
    write_deltalake(tmp_path / path, rows, partition_by=["day", "the place"])
    lake.upload(tmp_path)

    found = staged(lake, path)
    some = staged(lake, path, columns=("the place", "id"), filters=(Filter("id", ">=", 4),))
    assert_same_rows(found.table.select(rows.column_names), rows, "id")
    assert_same_rows(some.table, rows.slice(4).select(["the place", "id"]), "id")


def test_large_files_are_cut_between_row_groups(s3, tmp_path):
    lake = new_root(s3)
    write_deltalake(tmp_path / "t", numbers(0, 400_000))
    lake.upload(tmp_path)

    assert ids(staged(lake)) == list(range(400_000))


def test_a_checkpoint_is_read(lake, tmp_path):
    DeltaTable(tmp_path / "t").create_checkpoint()
    lake.upload(tmp_path)
    for version in range(2):
        lake.delete(f"t/_delta_log/{version:020}.json")

    assert ids(staged(lake)) == [0, 1, 2, 3, 4]


def data_files(lake: BucketRoot) -> list[str]:
    listed = lake.client.list_objects_v2(Bucket=lake.place.bucket, Prefix=lake.key("t/"))
    keys = (each["Key"] for each in listed["Contents"])
    return [key.removeprefix(lake.key("")) for key in keys if key.endswith(".parquet")]


def test_a_vacuum_after_planning_is_a_change(lake):
    source, spec = lake.source("delta"), lake.spec("t")
    split = source.split(spec, None, sizing(1 << 20))
    for path in data_files(lake):
        lake.delete(path)

    with pytest.raises(SourceChanged), source.read(request(spec, split)) as reading:
        list(reading)
    with pytest.raises(SourceChanged, match="vacuumed"):
        staged(lake, version=0)


def test_a_data_file_that_was_replaced_after_planning_is_a_change(lake):
    source, spec = lake.source("delta"), lake.spec("t")
    split = source.split(spec, None, sizing(1 << 20))
    other = io.BytesIO()
    pq.write_table(numbers(7, 9), other)
    for path in data_files(lake):
        lake.put(path, other.getvalue())

    with pytest.raises(SourceChanged), source.read(request(spec, split)) as reading:
        list(reading)


def test_an_unknown_table_is_answered_with_the_nearest_names(lake, tmp_path):
    lake.upload(tmp_path / "t", below="sales/orders")

    with pytest.raises(UnknownTable, match="nearest: sales/orders"):
        lake.source("delta").describe(lake.spec("sales/ordres"))


@pytest.mark.parametrize("place", ["../x.parquet", "s3://others/x.parquet", "/x.parquet"])
def test_a_data_file_outside_of_the_root_is_refused(lake, tmp_path: Path, place):
    log = tmp_path / "t" / "_delta_log" / f"{1:020}.json"
    actions = [json.loads(line) for line in log.read_text().splitlines()]
    for each in actions:
        if "add" in each:
            each["add"]["path"] = place
    lake.put(f"t/_delta_log/{1:020}.json", "".join(f"{json.dumps(a)}\n" for a in actions).encode())

    with pytest.raises(SourceUnsupported):
        staged(lake)
    with pytest.raises(InvalidValue):
        lake.source("delta").describe(lake.spec("../t"))


def test_a_log_that_cannot_be_read_is_refused(lake):
    lake.put(f"torn/_delta_log/{0:020}.json", b"{not json\n")

    with pytest.raises(SourceUnsupported, match="log that cannot be read"):
        staged(lake, "torn")


@pytest.mark.parametrize("keys", [("nobodys-key", "hunter2"), None])
def test_keys_that_the_store_refuses_are_said_to_be_so_and_never_shown(lake, keys):
    source = replace(lake, place=replace(lake.place, keys=keys)).source("delta")

    with pytest.raises(SourceAuth, match="refuses the connection's keys") as raised:
        source.describe(lake.spec("t"))
    assert "hunter2" not in raised.value.detail


def test_a_store_that_is_not_there_is_unavailable(lake):
    place = replace(lake.place, endpoint=f"http://127.0.0.1:{free_port()}")

    with pytest.raises(SourceUnavailable):
        replace(lake, place=place).source("delta").describe(lake.spec("t"))


@pytest.mark.parametrize(
    "variable",
    [
        "AWS_SESSION_TOKEN",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_S3",
        "AWS_SKIP_SIGNATURE",
        "AWS_S3_EXPRESS",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_REGION",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_ROLE_ARN",
    ],
)
def test_the_service_s_own_way_to_its_store_is_not_taken(lake, monkeypatch, variable):
    value = {"AWS_SKIP_SIGNATURE": "true", "AWS_S3_EXPRESS": "true"}
    closed = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv(variable, value.get(variable, closed if "URL" in variable else "other"))

    assert ids(staged(lake)) == [0, 1, 2, 3, 4]


def test_a_table_with_a_percent_sign_in_its_path_is_refused(lake, tmp_path):
    lake.upload(tmp_path / "t", below="a%41")

    with pytest.raises(SourceUnsupported, match="log that cannot be read"):
        staged(lake, "a%41")
