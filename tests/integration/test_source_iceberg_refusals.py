"""What cannot be read exactly, or is not there, is refused by its name; nothing is guessed."""

import itertools
import random
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.manifest import DataFileContent, FileFormat
from pyiceberg.table import Table

from staging.core.errors import (
    InvalidValue,
    SourceChanged,
    SourceError,
    SourceUnavailable,
    SourceUnsupported,
    StagingError,
    UnknownTable,
)
from staging.core.source_spec import SourceSpec
from staging.sources.connection import Connection
from staging.sources.iceberg.iceberg_source import IcebergSource
from tests.iceberg_lake import (
    Lake,
    commit_deletes,
    delete_file,
    edit_metadata,
    local,
    metadata_folder,
    numbers,
    staged,
)
from tests.source_reading import Staged, request, sizing, stage

DELETES = {
    "positions": (delete_file(DataFileContent.POSITION_DELETES), 2),
    "values": (delete_file(DataFileContent.EQUALITY_DELETES, equality_ids=[1]), 2),
    "vector": (delete_file(DataFileContent.POSITION_DELETES, FileFormat.PUFFIN), 3),
}


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(tmp_path)


def by_path(lake: Lake, path: str = "shop/t", **asked: object) -> Staged:
    return stage(IcebergSource(lake.by_path), SourceSpec("lake", path=path, **asked))


@pytest.mark.parametrize("kind", DELETES)
def test_deleted_rows_in_data_files_are_refused(lake, kind):
    table = lake.create("shop.t", numbers(0, 10))
    before = table.current_snapshot().snapshot_id
    file, format_version = DELETES[kind]
    commit_deletes(table, file, format_version=format_version)

    with pytest.raises(SourceUnsupported, match="has deleted rows"):
        IcebergSource(lake.by_path).describe(SourceSpec("lake", path="shop/t"))
    assert by_path(lake, version=before).table.num_rows == 10


@pytest.mark.parametrize("kind", DELETES)
def test_deletes_of_older_files_than_the_snapshot_has_are_passed_over(lake, kind):
    table = lake.create("shop.t", numbers(0, 10))
    file, format_version = DELETES[kind]
    _register(lake, commit_deletes(table, file))
    table = lake.catalog.load_table("shop.t")
    table.overwrite(numbers(5, 8))  # a compaction
    edit_metadata(table, lambda metadata: metadata.update({"format-version": format_version}))

    assert sorted(by_path(lake).table["id"].to_pylist()) == [5, 6, 7]


def _register(lake: Lake, metadata: Path) -> None:
    lake.catalog.drop_table("shop.t")
    lake.catalog.register_table("shop.t", f"file://{metadata}")


def _with_column(kind: object, **more: object) -> Callable[[dict[str, Any]], None]:
    def change(metadata: dict[str, Any]) -> None:
        metadata["format-version"] = 3
        field = {"id": 99, "name": "odd", "required": False, "type": kind, **more}
        metadata["schemas"][0]["fields"].append(field)
        metadata["last-column-id"] = 99

    return change


@pytest.mark.parametrize("kind", ["unknown", "geometry", "geography"])
def test_a_column_of_a_type_without_an_exact_form_is_refused_and_may_be_left_out(lake, kind):
    table = lake.create("shop.t", numbers(0, 10))
    edit_metadata(table, _with_column(kind))

    with pytest.raises(SourceUnsupported, match="column 'odd' is of type"):
        by_path(lake)
    assert by_path(lake, columns=("id",)).table.num_rows == 10


UNKNOWN: Mapping[str, Callable[[dict[str, Any]], None]] = {
    "variant": _with_column("variant"),
    "default": _with_column("long", **{"initial-default": 5}),
    "later version": lambda metadata: metadata.update({"format-version": 4}),
    "encryption": lambda metadata: metadata.update(
        {"format-version": 3, "encryption-keys": [{"key-id": "1", "encrypted-key-metadata": "aa"}]}
    ),
    "no version": lambda metadata: metadata.pop("format-version"),
    "lost snapshot": lambda metadata: metadata["snapshots"].clear(),
}


@pytest.mark.parametrize("change", UNKNOWN)
def test_what_is_not_known_here_is_refused(lake, change):
    edit_metadata(lake.create("shop.t", numbers(0, 10)), UNKNOWN[change])

    with pytest.raises(SourceUnsupported):
        by_path(lake)


def test_a_table_of_the_third_version_without_its_novelties_is_read(lake):
    table = lake.create("shop.t", numbers(0, 10))
    edit_metadata(table, lambda each: each.update({"format-version": 3, "next-row-id": 10}))

    assert by_path(lake).table.num_rows == 10


def _data_file(lake: Lake) -> Path:
    return next((lake.root / "shop" / "t" / "data").iterdir())


def _remove(file: Path) -> None:
    file.unlink()


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def _grow(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"\0")


@pytest.mark.parametrize("change", [_remove, _cut, _grow])
def test_a_data_file_that_is_gone_or_of_another_size_is_a_change(lake, change):
    lake.create("shop.t", numbers(0, 10))
    source, spec = IcebergSource(lake.connection), SourceSpec("lake", table="shop.t")
    split = source.split(spec, None, sizing(1 << 20))
    change(_data_file(lake))

    with pytest.raises(SourceChanged), source.read(request(spec, split)) as reading:
        list(reading)
    with pytest.raises(SourceChanged):
        staged(lake)


@pytest.mark.parametrize("first", [0, -8])
def test_a_data_file_that_is_no_parquet_is_refused_without_its_values(lake, first):
    lake.create("shop.t", pa.table({"id": ["a secret"]}))
    file = _data_file(lake)
    content = bytearray(file.read_bytes())
    content[first : first + 4 or None] = b"\0\0\0\0"
    content[-4:] = b"\0\0\0\0"
    file.write_bytes(content)

    with pytest.raises(SourceUnsupported, match="is not a Parquet file") as raised:
        staged(lake)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("name", ["*.metadata.json", "snap-*.avro", "*-m0.avro"])
@pytest.mark.parametrize("change", [_remove, _cut])
def test_metadata_that_is_gone_or_cut_has_a_code(lake, name, change):
    table = lake.create("shop.t", numbers(0, 10))
    change(sorted(metadata_folder(table).glob(name))[-1])

    with pytest.raises((SourceChanged, SourceUnsupported)):
        staged(lake)


def _files_of_the_newest_snapshot(table: Table) -> list[Path]:
    snapshot = table.refresh().current_snapshot()
    manifests = (each.manifest_path for each in snapshot.manifests(table.io))
    return [local(each) for each in (table.metadata_location, snapshot.manifest_list, *manifests)]


def test_metadata_that_is_cut_anywhere_is_refused(lake):
    table = lake.create("shop.t", numbers(0, 10))
    table.append(numbers(10, 20))

    for file in _files_of_the_newest_snapshot(table):
        whole = file.read_bytes()
        for length in range(0, len(whole), 41):
            file.write_bytes(whole[:length])
            with pytest.raises((SourceChanged, SourceUnsupported)):
                staged(lake)
        file.write_bytes(whole)
    assert staged(lake).table.num_rows == 20


def test_a_list_of_files_that_ends_after_its_header_is_refused(lake):
    table = lake.create("shop.t", numbers(0, 10))
    file = _files_of_the_newest_snapshot(table)[1]
    whole = file.read_bytes()
    file.write_bytes(whole[: whole.index(whole[-16:]) + 16])

    with pytest.raises(SourceUnsupported):
        staged(lake)


def test_damaged_metadata_fails_with_a_code(lake):
    table = lake.create("shop.t", numbers(0, 10))
    chance, refused = random.Random(7), 0

    for file in _files_of_the_newest_snapshot(table):
        whole = file.read_bytes()
        for _ in range(100):
            damaged = bytearray(whole)
            damaged[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
            file.write_bytes(damaged)
            try:
                staged(lake)
            except StagingError:
                refused += 1
        file.write_bytes(whole)
    assert refused > 100


def test_nothing_outside_of_the_root_is_read(lake):
    (lake.root / "inner").mkdir()
    inner = Lake(lake.root / "inner")
    lake.create("shop.t", numbers(0, 3))
    inner.create("shop.inside", numbers(0, 3))
    inner.catalog.create_namespace_if_not_exists("far")
    outside = sorted((lake.root / "shop/t/metadata").glob("*.metadata.json"))[-1]
    inner.catalog.register_table("far.t", f"file://{outside}")
    (inner.root / "link").symlink_to(lake.root / "shop" / "t")
    shutil.copytree(lake.root / "shop" / "t", inner.root / "copied")

    for path in ("../shop/t", "link", str(lake.root / "shop/t")):
        with pytest.raises(InvalidValue):
            by_path(inner, path)
    for read in (lambda: staged(inner, "far.t"), lambda: by_path(inner, "copied")):
        with pytest.raises(SourceUnsupported, match="outside of the connection's root"):
            read()


@pytest.mark.parametrize("place", ["data", "metadata"])
def test_a_link_out_of_the_root_in_a_table_is_refused(lake, tmp_path_factory, place):
    table = lake.create("shop.t", numbers(0, 3))
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for file in (local(table.location()) / place).iterdir():
        if file.suffix != ".json":
            shutil.move(file, elsewhere / file.name)
            file.symlink_to(elsewhere / file.name)

    with pytest.raises(SourceUnsupported, match="outside of the connection's root"):
        staged(lake)


def test_a_link_that_leads_to_itself_is_a_missing_file(lake):
    lake.create("shop.t", numbers(0, 3))
    file = _data_file(lake)
    file.unlink()
    file.symlink_to(file)

    with pytest.raises(SourceChanged):
        staged(lake)


LOCATIONS = [
    "s3://bucket/list.avro",
    "http://127.0.0.1:1/list.avro",
    "list.avro",
    "file:///etc/x",
    "{table}/../../../outside.avro",
    "{table}/\0",
    "",
]


@pytest.mark.parametrize("location", LOCATIONS)
def test_a_location_that_is_not_below_the_root_is_refused_and_not_asked(lake, location):
    def change(metadata: dict[str, Any]) -> None:
        metadata["snapshots"][-1]["manifest-list"] = location.format(table=metadata["location"])

    edit_metadata(lake.create("shop.t", numbers(0, 3)), change)

    with pytest.raises(SourceUnsupported, match="outside of the connection's root"):
        by_path(lake)


def test_the_newest_metadata_file_of_a_folder_counts_if_it_is_one(lake):
    table = lake.create("shop.t", numbers(0, 3))
    table.append(numbers(3, 5))
    newest = sorted(metadata_folder(table).glob("*.metadata.json"))[-1]
    assert by_path(lake).table.num_rows == 5

    rival = newest.with_name(f"{newest.name.partition('-')[0]}-rival.metadata.json")
    shutil.copy(newest, rival)
    with pytest.raises(SourceUnsupported, match="2 newest metadata files"):
        by_path(lake)
    assert by_path(lake, newest.relative_to(lake.root).as_posix()).table.num_rows == 5
    assert staged(lake).table.num_rows == 5


def test_a_folder_s_files_may_be_packed_and_named_as_hadoop_does(lake):
    table = lake.create("shop.t", numbers(0, 3))
    for number, file in zip(
        itertools.count(9), sorted(metadata_folder(table).glob("*.json")), strict=False
    ):
        file.rename(file.with_name(f"v{number}.metadata.json"))
    newest = metadata_folder(table) / "v10.metadata.json"
    packed = newest.with_name("v10.gz.metadata.json")
    with pa.output_stream(packed, compression="gzip") as stream:
        stream.write(newest.read_bytes())
    newest.unlink()

    assert by_path(lake).table.num_rows == 3


def test_an_unknown_table_is_answered_with_the_nearest_names(lake):
    lake.create("shop.eu.orders", numbers(0, 3))

    with pytest.raises(UnknownTable, match=r"nearest: shop\.eu\.orders"):
        staged(lake, "shop.eu.ordres")
    with pytest.raises(UnknownTable, match=r"nearest: shop\.eu/orders"):
        by_path(lake, "shop.eu/ordres")
    assert staged(lake, '"shop.eu"."orders"').table.num_rows == 3


@pytest.mark.parametrize("path", ["x" * 256, f"{'x' * 256}/t", f"{'x' * 256}.metadata.json"])
def test_a_name_that_no_file_can_have_is_an_unknown_table(lake, path):
    lake.create("shop.t", numbers(0, 3))

    with pytest.raises(UnknownTable) as raised:
        by_path(lake, path)

    assert [each.pointer for each in raised.value.errors] == ["#/source/path"]


def test_a_connection_has_tables_with_a_catalog_and_paths_without(lake):
    lake.create("shop.t", numbers(0, 3))
    refused = {
        "#/source/path": (lake.connection, SourceSpec("lake", path="shop/t")),
        "#/source/table": (lake.by_path, SourceSpec("lake", table="shop.t")),
        "#/source/query": (lake.connection, SourceSpec("lake", query="SELECT 1")),
    }

    for pointer, (connection, spec) in refused.items():
        with pytest.raises(InvalidValue) as raised:
            IcebergSource(connection).describe(spec)
        assert [each.pointer for each in raised.value.errors] == [pointer]


def test_a_catalog_that_is_gone_or_none_has_a_code(lake):
    lake.create("shop.t", numbers(0, 3))
    (lake.root / "other.db").touch()
    (lake.root / "text.db").write_text("no database " * 100)

    for name, code in {
        "gone.db": SourceUnavailable,
        "other.db": SourceError,
        "text.db": SourceUnsupported,
    }.items():
        connection = Connection("lake", "iceberg", root=lake.root, catalog=lake.root / name)
        with pytest.raises(code):
            IcebergSource(connection).describe(SourceSpec("lake", table="shop.t"))


def test_two_catalogs_of_one_file_may_not_disagree(lake):
    from pyiceberg.catalog.sql import SqlCatalog

    lake.create("shop.t", numbers(0, 3))
    table = lake.create("shop.u", numbers(0, 4))
    second = SqlCatalog("second", uri=f"sqlite:///{lake.root}/catalog.db")
    second.create_namespace("shop")
    second.register_table("shop.t", table.metadata_location)

    with pytest.raises(SourceUnsupported, match="two catalogs"):
        staged(lake)
    assert staged(lake, "shop.u").table.num_rows == 4
