"""Columns of an Iceberg table are found by field id in whatever its files hold."""

import datetime
import uuid
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg import types
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.transforms import IdentityTransform
from pyiceberg.typedef import Record

from staging.core.errors import SourceUnsupported
from staging.core.source_spec import Filter
from tests.iceberg_lake import Lake, add_file, numbers, staged
from tests.rows import assert_same_rows

UTC = datetime.UTC
NOON = datetime.datetime(2020, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(tmp_path)


TYPES = {
    "id": (pa.int64(), "int64", 1),
    "small": (pa.int32(), "int32", -(2**31)),
    "flag": (pa.bool_(), "bool", True),
    "single": (pa.float32(), "float", 0.5),
    "double": (pa.float64(), "double", float("inf")),
    "price": (pa.decimal128(38, 3), "decimal128(38, 3)", Decimal("9" * 35 + ".125")),
    "day": (pa.date32(), "date32[day]", datetime.date(1, 1, 1)),
    "clock": (pa.time64("us"), "time64[us]", datetime.time(23, 59, 59, 999999)),
    "at": (pa.timestamp("us"), "timestamp[us]", NOON.replace(tzinfo=None)),
    "instant": (pa.timestamp("us", "UTC"), "timestamp[us, tz=UTC]", NOON),
    "text": (pa.string(), "string", "ünï 🎈"),
    "raw": (pa.binary(), "binary", b"\x00\xff"),
    "fixed": (pa.binary(3), "fixed_size_binary[3]", b"abc"),
    "list": (pa.list_(pa.int32()), "list<element: int32>", [1, None]),
    "struct": (
        pa.struct([("a", pa.int64()), ("b", pa.list_(pa.string()))]),
        "struct<a: int64, b: list<element: string>>",
        {"a": None, "b": ["x", None]},
    ),
    "map": (pa.map_(pa.string(), pa.int64()), "map<string, int64>", [("k", 1), ("l", None)]),
}


def test_all_types_come_back_as_they_were(lake):
    rows = {name: pa.array([value, None], kind) for name, (kind, _, value) in TYPES.items()}
    lake.create("shop.t", pa.table(rows))

    table = staged(lake).table
    assert {f.name: str(f.type) for f in table.schema} == {n: t for n, (_, t, _) in TYPES.items()}
    assert table.to_pylist() == [
        {name: value for name, (_, _, value) in TYPES.items()},
        dict.fromkeys(TYPES),
    ]


def test_uuids_are_staged_as_their_sixteen_bytes(lake):
    schema = Schema(types.NestedField(1, "id", types.UUIDType()))
    table = lake.create("shop.t", schema)
    number = uuid.UUID(int=2**127 + 1)
    table.append(pa.table({"id": pa.array([number.bytes], pa.binary(16))}))

    found = staged(lake).table
    assert (str(found.schema.field("id").type), found["id"].to_pylist()) == (
        "fixed_size_binary[16]",
        [number.bytes],
    )


def test_columns_added_dropped_renamed_moved_and_widened_are_read_from_older_files(lake):
    old = pa.table(
        {
            "id": pa.array([1, 2], pa.int32()),
            "ratio": pa.array([0.5, None], pa.float32()),
            "price": pa.array([Decimal("1.25"), None], pa.decimal128(5, 2)),
            "gone": ["a", "b"],
            "name": ["x", "y"],
        }
    )
    table = lake.create("shop.t", old)
    with table.update_schema() as update:
        update.update_column("id", types.LongType())
        update.update_column("ratio", types.DoubleType())
        update.update_column("price", types.DecimalType(20, 2))
        update.delete_column("gone")
        update.rename_column("name", "title")
        update.add_column("score", types.IntegerType())
        update.move_first("score")
    with table.update_schema() as update:  # another column, of a name that was there before
        update.add_column("gone", types.StringType())
        update.add_column("name", types.LongType())
    new = pa.table(
        {
            "score": pa.array([7], pa.int32()),
            "id": pa.array([2**40], pa.int64()),
            "ratio": [0.1],
            "price": pa.array([Decimal("123456789012345.50")], pa.decimal128(20, 2)),
            "title": ["z"],
            "gone": ["back"],
            "name": pa.array([9], pa.int64()),
        }
    )
    table.append(new)

    found = staged(lake).table
    assert found.schema.names == ["score", "id", "ratio", "price", "title", "gone", "name"]
    assert_same_rows(found, table.scan().to_arrow(), "id")
    assert found.sort_by("id").to_pylist()[0] == {
        "score": None,
        "id": 1,
        "ratio": 0.5,
        "price": Decimal("1.25"),
        "title": "x",
        "gone": None,
        "name": None,
    }


def test_parts_of_nested_columns_are_found_by_id_too(lake):
    part = pa.struct([("a", pa.int32()), ("b", pa.string()), ("c", pa.float32())])
    old = pa.table(
        {
            "id": pa.array(range(4), pa.int64()),
            "s": pa.array([{"a": 1, "b": "x", "c": 0.5}, None, {"a": None}, {"b": "y"}], part),
            "l": pa.array([[{"a": 1}, None], None, [], [{"b": "z"}]], pa.list_(part)),
            "m": pa.array([[("k", {"a": 5})], None, [], [("n", None)]], pa.map_(pa.string(), part)),
        }
    )
    table = lake.create("shop.t", old.schema)  # pyiceberg itself writes a NULL list as empty
    add_file(table, old.cast(schema_to_pyarrow(table.schema())), Record())
    with table.update_schema() as update:
        for place in ("s", "l.element", "m.value"):
            update.update_column(f"{place}.a", types.LongType())
            update.rename_column(f"{place}.b", "title")
            update.delete_column(f"{place}.c")
            update.add_column((*place.split("."), "new"), types.IntegerType())

    found = staged(lake, columns=("m", "id", "l", "s")).table
    kind = "struct<a: int64, title: string, new: int32>"
    assert [str(each.type) for each in found.schema] == [
        f"map<string, {kind}>",
        "int64",
        f"list<element: {kind}>",
        kind,
    ]
    one, nothing = {"a": 1, "title": None, "new": None}, dict.fromkeys(["a", "title", "new"])
    assert found.select(["s", "l", "m"]).to_pydict() == {
        "s": [one | {"title": "x"}, None, nothing, nothing | {"title": "y"}],
        "l": [[one, None], None, [], [nothing | {"title": "z"}]],
        "m": [[("k", one | {"a": 5})], None, [], [("n", None)]],
    }


def test_a_column_with_a_dot_is_not_the_part_of_another(lake):
    part = pa.struct([("b", pa.int64()), ("c", pa.int64())])
    rows = pa.table(
        {"a.d": pa.array([1], pa.int64()), "a": pa.array([{"b": 2, "c": 3}], part), "c": ["x"]}
    )
    table = lake.create("shop.t", rows.schema)
    add_file(table, rows.cast(schema_to_pyarrow(table.schema())), Record())

    assert staged(lake).table.to_pylist() == rows.to_pylist()
    for name in rows.column_names:
        assert staged(lake, columns=(name,)).table.to_pylist() == rows.select([name]).to_pylist()


def partitioned(lake: Lake, *names: str) -> tuple[Table, pa.Table]:
    rows = pa.table(
        {
            "id": pa.array(range(12), pa.int64()),
            "day": [datetime.date(2020, 1, 1 + n % 3) for n in range(12)],
            "place": [None if n % 4 == 0 else f"ü /{n % 2}%" for n in range(12)],
        }
    )
    ids = {"day": 2, "place": 3}
    spec = PartitionSpec(
        *(PartitionField(ids[n], 1000 + i, IdentityTransform(), n) for i, n in enumerate(names))
    )
    columns = [
        types.NestedField(1, "id", types.LongType()),
        types.NestedField(2, "day", types.DateType()),
        types.NestedField(3, "place", types.StringType()),
    ]
    table = lake.create("shop.t", Schema(*columns), spec)
    table.append(rows)
    return table, rows


@pytest.mark.parametrize("columns", [None, ("day",), ("place", "id"), ("day", "place")])
def test_a_partitioned_table_is_read_column_by_column(lake, columns):
    _, rows = partitioned(lake, "day", "place")

    found = staged(lake, columns=columns, filters=(Filter("id", ">=", 4),)).table
    expected = rows.slice(4).select(columns or rows.column_names)
    assert sorted(map(str, found.to_pylist())) == sorted(map(str, expected.to_pylist()))


def test_a_table_whose_partitioning_changed_is_read_whole(lake):
    table, rows = partitioned(lake, "day")
    with table.update_spec() as update:
        update.remove_field("day")
        update.add_identity("place")
    more = rows.set_column(0, "id", pa.array(range(100, 112), pa.int64()))
    table.append(more)

    assert_same_rows(staged(lake).table, pa.concat_tables([rows, more]), "id")


PARTITIONED_BY = {
    "day": (types.DateType(), 18262, datetime.date(2020, 1, 1)),
    "place": (types.StringType(), "ü /%", "ü /%"),
    "price": (types.DecimalType(9, 2), Decimal("1.25"), Decimal("1.25")),
    "at": (
        types.TimestamptzType(),
        1577880000000000,
        datetime.datetime(2020, 1, 1, 12, tzinfo=UTC),
    ),
    "clock": (types.TimeType(), 1_000_000, datetime.time(0, 0, 1)),
    "number": (types.IntegerType(), -1, -1),
    "flag": (types.BooleanType(), False, False),
    "raw": (types.BinaryType(), b"\xff", b"\xff"),
    "code": (types.FixedType(2), b"\x00\x01", b"\x00\x01"),
    "ratio": (types.FloatType(), 0.5, 0.5),
    "uuid": (types.UUIDType(), uuid.UUID(int=7), uuid.UUID(int=7).bytes),
    "nothing": (types.LongType(), None, None),
}


def test_what_files_of_hive_partitions_lack_comes_from_the_partition(lake):
    fields = [types.NestedField(1, "id", types.LongType())] + [
        types.NestedField(2 + i, name, kind)
        for i, (name, (kind, _, _)) in enumerate(PARTITIONED_BY.items())
    ]
    spec = PartitionSpec(
        *(
            PartitionField(f.field_id, 999 + f.field_id, IdentityTransform(), f.name)
            for f in fields[1:]
        )
    )
    table = lake.create("shop.t", Schema(*fields), spec)
    held = pa.field("id", pa.int64(), metadata={"PARQUET:field_id": "1"})
    add_file(
        table,
        pa.table({"id": [1, 2]}, schema=pa.schema([held])),
        Record(*(value for _, value, _ in PARTITIONED_BY.values())),
    )

    found = staged(lake, filters=(Filter("day", "=", "2020-01-01"),)).table
    expected = {name: value for name, (_, _, value) in PARTITIONED_BY.items()}
    assert found.to_pylist() == [{"id": 1} | expected, {"id": 2} | expected]
    assert staged(lake, columns=("place",)).table.num_rows == 2
    assert staged(lake, filters=(Filter("number", ">", 0),)).table.num_rows == 0


def test_a_table_partitioned_by_a_double_is_refused(lake):
    schema = Schema(types.NestedField(1, "id", types.DoubleType()))
    spec = PartitionSpec(PartitionField(1, 1000, IdentityTransform(), "id"))
    lake.create("shop.t", schema, spec).append(pa.table({"id": [0.1]}))

    with pytest.raises(SourceUnsupported, match="partitioned by a double"):
        staged(lake)


def test_files_without_field_ids_are_read_by_the_name_mapping(lake):
    parts = pa.struct([("a", pa.int64()), ("b", pa.list_(pa.string()))])
    rows = pa.table(
        {
            "id": pa.array([1, 2], pa.int64()),
            "s": pa.array([{"a": 1, "b": ["x"]}, None], parts),
            "m": pa.array([[("k", 1)], []], pa.map_(pa.string(), pa.int64())),
        }
    )
    table = lake.create("shop.t", rows.schema)
    pq.write_table(rows, lake.root / "foreign.parquet")
    table.add_files([f"file://{lake.root}/foreign.parquet"])
    with table.update_schema() as update:
        update.rename_column("id", "number")
        update.rename_column("s.a", "first")

    found = staged(lake).table
    assert_same_rows(found, table.scan().to_arrow(), "number")
    assert found.to_pylist()[0] == {"number": 1, "s": {"first": 1, "b": ["x"]}, "m": [("k", 1)]}


def test_files_without_field_ids_and_a_name_mapping_are_refused(lake):
    table = lake.create("shop.t", numbers(0, 1).schema)
    add_file(table, numbers(0, 3), Record())

    with pytest.raises(SourceUnsupported, match="has no field ids"):
        staged(lake)


def test_a_file_of_another_type_than_the_table_s_is_refused(lake):
    table = lake.create("shop.t", numbers(0, 1).schema)
    held = pa.field("id", pa.string(), metadata={"PARQUET:field_id": "1"})
    add_file(table, pa.table({"id": ["5"]}, schema=pa.schema([held])), Record())

    with pytest.raises(SourceUnsupported, match="has 'id' as string"):
        staged(lake)
