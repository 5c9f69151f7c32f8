"""Files are found inside their root only, pinned, and read as they were planned."""

import datetime
import os
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from staging.core.errors import (
    InvalidValue,
    SourceChanged,
    SourceError,
    SourceUnavailable,
    SourceUnsupported,
    UnknownTable,
    Unrepresentable,
)
from staging.core.manifest import SnapshotClass
from staging.core.source_spec import Filter, SourceSpec
from staging.sources.connection import Connection
from staging.sources.kinds import source_for
from staging.sources.source import Source
from tests.source_reading import Staged, request, sizing, stage


def parquet_in(root: Path) -> Source:
    return source_for(Connection("shelf", "parquet", root=root))


def csv_in(root: Path) -> Source:
    return source_for(Connection("shelf", "csv", root=root))


def spec(path: str, **changes: object) -> SourceSpec:
    return SourceSpec("shelf", path=path, **changes)


def numbers(first: int, last: int) -> pa.Table:
    return pa.table({"n": pa.array(range(first, last), pa.int64())})


@pytest.fixture
def root(tmp_path) -> Path:
    root = tmp_path / "root"
    (root / "y=1").mkdir(parents=True)
    (root / "_tmp").mkdir()
    pq.write_table(numbers(0, 10), root / "a.parquet")
    pq.write_table(numbers(10, 20), root / "y=1" / "b.parquet")
    pq.write_table(numbers(90, 95), root / "_tmp" / "c.parquet")
    pq.write_table(numbers(90, 95), root / ".hidden.parquet")
    (root / "notes.txt").write_text("not a table")
    pq.write_table(numbers(500, 600), tmp_path / "outside.parquet")
    return root


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("a.parquet", range(10)),
        ("_tmp/c.parquet", range(90, 95)),
        (".", range(20)),
        ("y=1", range(10, 20)),
        ("y=*", range(10, 20)),
        ("*.parquet", range(10)),
        ("**/*.parquet", range(20)),
        ("[ab].parquet", range(10)),
    ],
)
def test_a_file_a_folder_or_a_pattern_means_these_files(root, path, found):
    assert stage(parquet_in(root), spec(path)).table["n"].to_pylist() == list(found)


@pytest.mark.parametrize(
    "path", ["../outside.parquet", "/etc/passwd", "y=1/../../outside.parquet", "a\0b", ".."]
)
def test_a_path_out_of_the_root_is_refused(root, path):
    with pytest.raises(InvalidValue, match="inside the connection's root") as raised:
        parquet_in(root).describe(spec(path))

    assert [each.pointer for each in raised.value.errors] == ["#/source/path"]


@pytest.mark.parametrize("path", ["link.parquet", "linked/outside.parquet", "linked", "*.parquet"])
def test_a_link_out_of_the_root_is_refused(root, path):
    (root / "link.parquet").symlink_to(root.parent / "outside.parquet")
    (root / "linked").symlink_to(root.parent)

    with pytest.raises(InvalidValue, match="root"):
        parquet_in(root).describe(spec(path))


def test_a_link_inside_the_root_is_followed(root):
    (root / "link.parquet").symlink_to(root / "y=1" / "b.parquet")

    assert stage(parquet_in(root), spec("link.parquet")).table.equals(numbers(10, 20))


def test_what_is_not_a_regular_file_is_refused(root):
    os.mkfifo(root / "pipe.parquet")

    with pytest.raises(InvalidValue, match="no regular file"):
        parquet_in(root).describe(spec("pipe.parquet"))


@pytest.mark.parametrize("path", ["loop.parquet", "y=1", "*.parquet"])
def test_a_link_that_leads_to_itself_is_no_file(root, path):
    for link in (root / "loop.parquet", root / "y=1" / "loop.parquet"):
        link.symlink_to(link)

    with pytest.raises(InvalidValue, match="no regular file"):
        parquet_in(root).describe(spec(path))


def test_an_unknown_file_names_the_nearest(root):
    with pytest.raises(UnknownTable, match=r"nearest: y=1/b\.parquet"):
        parquet_in(root).describe(spec("y=1/bb.parquet"))


def test_a_root_that_is_not_there_is_unavailable(root):
    with pytest.raises(SourceUnavailable):
        parquet_in(root / "nowhere").describe(spec("a.parquet"))


def change_size(path: Path) -> None:
    pq.write_table(numbers(0, 11), path)


def change_time(path: Path) -> None:
    os.utime(path, ns=(1, 1))


def replace_by_link(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.parent.parent / "outside.parquet")


@pytest.mark.parametrize("change", [change_size, change_time, Path.unlink, replace_by_link])
def test_a_file_that_changed_after_the_split_is_stated(root, change):
    source = parquet_in(root)
    split = source.split(spec("a.parquet"), None, sizing(1 << 20))
    change(root / "a.parquet")

    with pytest.raises(SourceChanged), source.read(request(spec("a.parquet"), split)) as reading:
        list(reading)


def test_a_file_that_changes_while_it_is_read_is_stated(root):
    source = csv_in(root)
    (root / "long.csv").write_text("n\n" + "1\n" * 5_000_000)
    split = source.split(spec("long.csv"), None, sizing(1 << 20))

    with source.read(request(spec("long.csv"), split)) as reading:
        batches = iter(reading)
        next(batches)
        change_time(root / "long.csv")
        with pytest.raises(SourceChanged):
            list(batches)


def test_the_snapshot_names_the_files_and_differs_when_one_does(root):
    source = parquet_in(root)
    first, again = (source.split(spec("."), None, sizing(1 << 20)).snapshot for _ in range(2))
    change_time(root / "a.parquet")
    changed = source.split(spec("."), None, sizing(1 << 20)).snapshot

    assert first == again
    assert first.snapshot_class is SnapshotClass.PINNED
    assert first.value != changed.value


def test_a_big_parquet_file_is_cut_between_row_groups(root):
    table = pa.table({"n": range(40_000), "noise": [os.urandom(64) for _ in range(40_000)]})
    pq.write_table(table, root / "big.parquet", row_group_size=4_000)

    staged = stage(parquet_in(root), spec("big.parquet"), target_bytes=1 << 20)

    assert staged.partition_rows == [16_000, 16_000, 8_000]
    assert staged.table.equals(table)


def test_parquet_types_are_kept_and_dictionaries_opened(root):
    moment = datetime.datetime(2020, 2, 29, 1, 2, 3, 456_789, tzinfo=datetime.UTC)
    table = pa.table(
        {
            "dict": pa.array(["a", None, "a"]).dictionary_encode(),
            "dec": pa.array([Decimal("1.50"), None, Decimal("-2.25")], pa.decimal128(10, 2)),
            "at": pa.array([moment, None, moment], pa.timestamp("us", "UTC")),
            "list": pa.array([[1], None, []], pa.list_(pa.int32())),
            "small": pa.array([1, None, 3], pa.uint8()),
            "dot.name": pa.array([b"a", None, b"\xff"]),
        }
    )
    pq.write_table(table, root / "types.parquet")
    kept = (Filter("dict", "=", "a"), Filter("dec", "<", "0.001"))

    staged = stage(parquet_in(root), spec("types.parquet"))
    filtered = stage(parquet_in(root), spec("types.parquet", filters=kept, columns=("small",)))

    expected = table.set_column(0, "dict", table["dict"].cast(pa.string()))
    assert staged.table.equals(expected)
    assert filtered.table.to_pydict() == {"small": [3]}


def test_old_int96_times_out_of_the_nanoseconds_range_are_exact(root):
    moments = [datetime.datetime(1500, 1, 1), datetime.datetime(3000, 1, 1)]  # noqa: DTZ001
    table = pa.table({"at": pa.array(moments, pa.timestamp("us"))})
    pq.write_table(table, root / "old.parquet", use_deprecated_int96_timestamps=True)

    assert stage(parquet_in(root), spec("old.parquet")).table.equals(table)


def test_files_of_other_columns_are_not_mixed(root):
    pq.write_table(numbers(0, 3).rename_columns(["m"]), root / "z.parquet")

    with pytest.raises(SourceUnsupported, match=r"'z\.parquet' has other columns"):
        parquet_in(root).split(spec("*.parquet"), None, sizing(1 << 20))


def test_a_file_that_is_no_parquet_is_said_to_be_so(root):
    (root / "bad.parquet").write_bytes(b"PAR1 but not really PAR1")

    with pytest.raises(SourceUnsupported, match=r"'bad\.parquet' is not a Parquet file"):
        parquet_in(root).describe(spec("bad.parquet"))


def test_a_damaged_page_is_stated_and_never_read(root):
    pq.write_table(
        numbers(0, 50_000),
        root / "page.parquet",
        write_page_checksum=True,
        compression="none",
        use_dictionary=False,
    )
    damaged = bytearray((root / "page.parquet").read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    (root / "page.parquet").write_bytes(damaged)

    with pytest.raises(SourceError, match="cannot be decoded"):
        stage(parquet_in(root), spec("page.parquet"))


def staged_csv(root: Path, text: str | bytes, policy: str = "fail", **changes: object) -> Staged:
    raw = text if isinstance(text, bytes) else text.encode()
    (root / "t.csv").write_bytes(raw)
    return stage(csv_in(root), spec("t.csv", **changes), policy=policy)


def test_csv_values_have_the_types_that_all_their_texts_suit(root):
    staged = staged_csv(
        root,
        "id,zip,price,day,at,flag,text,none\n"
        "1,00420,1.50,2020-02-29,2020-02-29 01:02:03Z,true,NA,\n"
        '2,10115,2,2020-03-01,2020-03-01 01:02:03Z,false,"a, ""b""\nc",\n'
        '3,,,,,,"",\n',
    )

    assert {field.name: str(field.type) for field in staged.table.schema} == {
        "id": "int64",
        "zip": "string",
        "price": "double",
        "day": "date32[day]",
        "at": "timestamp[us, tz=UTC]",
        "flag": "bool",
        "text": "string",
        "none": "string",
    }
    assert staged.table["zip"].to_pylist() == ["00420", "10115", None]
    assert staged.table["price"].to_pylist() == [1.5, 2.0, None]
    assert staged.table["text"].to_pylist() == ["NA", 'a, "b"\nc', ""]
    assert staged.table["none"].to_pylist() == [None, None, None]


def test_the_types_of_several_csv_files_suit_all_of_them(root):
    (root / "one.csv").write_text("a,b\n1,1\n")
    (root / "two.csv").write_text("b,a\n2.5,x\n")

    table = stage(csv_in(root), spec("*.csv")).table

    assert table.to_pydict() == {"a": ["1", "x"], "b": [1.0, 2.5]}


@pytest.mark.parametrize("name", ["t.csv.gz", "t.csv.zst", "t.tsv"])
def test_packed_and_tab_separated_files_are_read(root, name):
    separator = "\t" if "tsv" in name else ","
    with pa.output_stream(str(root / name), compression="detect") as out:
        out.write(f"\ufeffid{separator}näme\n1{separator}ünï\n".encode())

    assert stage(csv_in(root), spec(name)).table.to_pydict() == {"id": [1], "näme": ["ünï"]}


RAGGED = "has a line with more or fewer fields than its header"


@pytest.mark.parametrize(
    ("text", "error", "detail"),
    [
        ("", SourceUnsupported, "'t.csv' has no header line"),
        ("a,a\n1,2\n", SourceUnsupported, "'t.csv' has two columns of one name"),
        ("a,b\n1,secret,3\n", SourceUnsupported, f"'t.csv' {RAGGED} (row 2)"),
        (b"a\nsecret\xff\n", Unrepresentable, "'t.csv' has bytes that are not UTF-8"),
    ],
)  # fmt: skip
def test_a_csv_file_that_cannot_be_read_exactly_is_refused_without_its_text(
    root, text, error, detail
):
    with pytest.raises(error) as raised:
        staged_csv(root, text)

    assert raised.value.detail == detail


def test_a_text_that_does_not_suit_the_planned_type_is_stated_or_counted_as_null(root):
    (root / "t.csv").write_text("id,n\n" + "1,2\n" * 300_000 + "2,secret\n2,7\n")
    source = csv_in(root)
    split = source.split(spec("t.csv"), None, sizing(1 << 20))
    assert str(split.schema.field("n").type) == "string"
    typed = pa.schema([("id", pa.int64()), ("n", pa.int64())])

    def read(policy: str) -> tuple[int, dict[str, int]]:
        asked = request(spec("t.csv"), split, on_unrepresentable=policy)
        with source.read(
            type(asked)(asked.spec, asked.bounds, typed, None, "x", policy)
        ) as reading:
            total = sum(batch.num_rows for batch in reading)
        return total, dict(reading.nulled)

    with pytest.raises(Unrepresentable) as raised:
        read("fail")
    assert raised.value.detail.startswith("column 'n' has at least 1 texts that are no int64")
    assert read("null") == (300_002, {"n": 1})


def test_filters_on_csv_compare_values_and_not_texts(root):
    staged = staged_csv(
        root,
        "id,day\n1,2020-01-05\n10,2020-01-01\n9,\n",
        columns=("id",),
        filters=(Filter("day", ">=", "2020-01-01"), Filter("id", ">", 9)),
    )

    assert staged.table.to_pydict() == {"id": [10]}


def test_a_csv_with_a_quote_that_is_never_closed_is_refused(root):
    (root / "torn.csv").write_text('id,name\n1,"a\n2,b\n3,c\n')

    with pytest.raises(SourceUnsupported, match="never closed"):
        csv_in(root).split(spec("torn.csv"), None, sizing(1 << 20))


def test_a_csv_file_of_several_blocks_is_read_as_one(root, monkeypatch):
    monkeypatch.setattr("staging.sources.files.csv_records._BLOCK_BYTES", 8)
    values = ["x", "\ufeffy", 'a\n"b"', "", "\ufeff", "z" * 30]
    lines = "".join('"{}"\n'.format(each.replace('"', '""')) for each in values)
    (root / "t.csv").write_text(f"\ufeffname\n{lines}\ufeffplain\n", encoding="utf-8")

    table = stage(csv_in(root), spec("t.csv")).table
    assert table["name"].to_pylist() == [*values, "\ufeffplain"]


def test_the_row_that_is_wrong_is_counted_from_the_file_s_beginning(root, monkeypatch):
    monkeypatch.setattr("staging.sources.files.csv_records._BLOCK_BYTES", 8)

    with pytest.raises(SourceUnsupported, match=r"\(row 5\)"):
        staged_csv(root, "a,b\n1,2\n3,4\n5,6\n7,secret,8\n")
