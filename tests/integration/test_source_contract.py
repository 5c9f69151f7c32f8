"""What every kind of source keeps to."""

import re

import pyarrow as pa
import pytest

from staging.core.errors import InvalidValue, UnknownColumn, UnknownTable
from staging.core.source_spec import Filter
from staging.sources.source import ReadCancelled
from tests.integration import source_kinds
from tests.integration.source_kinds import COLUMNS, ODD_NAME, Kind
from tests.rows import assert_same_rows
from tests.source_reading import request, sizing, stage

KINDS = [
    "postgres",
    "mysql",
    "sqlite",
    "duckdb",
    "parquet",
    "csv",
    "json",
    "delta",
    "iceberg",
    "sqlalchemy",
]
KINDS += ["parquet-s3", "csv-s3", "json-s3", "delta-s3"]


@pytest.fixture(scope="module", params=KINDS)
def kind(request, tmp_path_factory) -> Kind:
    if request.param == "postgres":
        return source_kinds.postgres(request.getfixturevalue("postgres").dsn())
    if request.param == "mysql":
        return source_kinds.mysql(request.getfixturevalue("mariadb"))
    folder = tmp_path_factory.mktemp(request.param)
    makers = {
        "delta": source_kinds.delta,
        "duckdb": source_kinds.duckdb_file,
        "iceberg": source_kinds.iceberg,
        "sqlalchemy": source_kinds.sqlalchemy,
        "sqlite": source_kinds.sqlite,
        "parquet": source_kinds.parquet,
        "csv": source_kinds.csv_files,
        "json": source_kinds.json_lines,
    }
    name, _, place = request.param.partition("-")
    kind = makers[name](folder)
    if place == "s3":
        return source_kinds.in_s3(kind, name, folder, request.getfixturevalue("s3"))
    return kind


def test_what_is_read_is_exactly_what_is_there(kind):
    staged = stage(kind.source, kind.things)

    assert_same_rows(staged.table, source_kinds.rows(), "id")
    types = [str(each) for each in staged.table.schema.types]
    assert types == ["int64", "string", "double", "string"]
    assert staged.nulled == {}


def test_columns_come_in_the_order_asked_for(kind):
    staged = stage(kind.source, kind.asking(columns=(ODD_NAME, "id")))

    assert_same_rows(staged.table, source_kinds.rows().select([ODD_NAME, "id"]), "id")


def test_an_empty_table_has_a_schema_and_no_rows(kind):
    staged = stage(kind.source, kind.empty)

    assert staged.table.column_names == list(COLUMNS)
    assert staged.table.num_rows == 0


FILTERS = {
    "equal": (Filter("id", "=", 5), lambda row: row["id"] == 5),
    "not_equal": (
        Filter("name", "!=", "näme 1%_\\"),
        lambda row: row["name"] not in (None, "näme 1%_\\"),
    ),
    "less": (Filter("ratio", "<", 3), lambda row: row["ratio"] is not None and row["ratio"] < 3),
    "at_most": (Filter("id", "<=", 7), lambda row: row["id"] <= 7),
    "more": (Filter("id", ">", 1990), lambda row: row["id"] > 1990),
    "at_least": (Filter("ratio", ">=", 285.5), lambda row: (row["ratio"] or 0) >= 285.5),
    "in": (Filter("id", "in", [3, 4, 99_999]), lambda row: row["id"] in (3, 4)),
    "not_in": (
        Filter("name", "not_in", ["näme 1%_\\", "näme 2%_\\"]),
        lambda row: row["name"] not in (None, "näme 1%_\\", "näme 2%_\\"),
    ),
    "is_null": (Filter("name", "is_null"), lambda row: row["name"] is None),
    "not_null": (Filter("ratio", "not_null"), lambda row: row["ratio"] is not None),
    "like": (
        Filter("name", "like", "n_me 4%"),
        lambda row: (row["name"] or "").startswith("näme 4"),
    ),
    "like_is_case_sensitive": (Filter("name", "like", "NÄME%"), lambda _: False),
    "like_escaped": (
        Filter("name", "like", "%5\\%\\_%"),
        lambda row: bool(re.search(r"5%_", row["name"] or "")),
    ),
    "odd_name": (Filter(ODD_NAME, "=", "line\n'7' \"q\", ünï 🎈"), lambda row: row["id"] == 7),
}


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_keeps_the_rows_that_it_names(kind, name):
    asked, keeps = FILTERS[name]
    staged = stage(kind.source, kind.asking(filters=(asked,)))

    every = source_kinds.rows()
    expected = every.filter(pa.array([keeps(row) for row in every.to_pylist()]))
    assert_same_rows(staged.table, expected, "id")
    assert (expected.num_rows == 0) == (name == "like_is_case_sensitive")


def test_filters_are_joined_by_and_and_may_name_columns_that_are_not_read(kind):
    asked = kind.asking(
        columns=("id",), filters=(Filter("name", "is_null"), Filter("ratio", "<", 3.5))
    )

    assert sorted(stage(kind.source, asked).table["id"].to_pylist()) == [7, 14, 21]


def test_an_unknown_table_is_answered_with_the_nearest_names(kind):
    with pytest.raises(UnknownTable, match=r"; nearest: .*things") as raised:
        kind.source.describe(kind.misspelt)

    assert [each.pointer for each in raised.value.errors] == [kind.pointer]


def test_an_unknown_column_is_answered_with_the_nearest_names(kind):
    with pytest.raises(UnknownColumn) as raised:
        kind.source.describe(kind.asking(columns=("id", "nmae")))

    assert [(each.pointer, each.detail) for each in raised.value.errors] == [
        ("#/source/columns/1", "there is no column 'nmae'; nearest: name")
    ]


@pytest.mark.parametrize(
    ("asked", "pointer"),
    [
        (Filter("id", "=", "five"), "value"),
        (Filter("name", "=", 5), "value"),
        (Filter("id", "=", 2**70), "value"),
        (Filter("id", "like", "5"), "op"),
    ],
)
def test_a_filter_that_does_not_fit_is_refused_with_a_pointer(kind, asked, pointer):
    with pytest.raises(InvalidValue) as raised:
        kind.source.describe(kind.asking(filters=(asked,)))

    assert [each.pointer for each in raised.value.errors] == [f"#/source/filters/0/{pointer}"]


def test_a_form_of_source_that_the_kind_does_not_have_is_refused(kind):
    for form in ("table", "path", "query"):
        asked = kind.asking(**{"table": None, "path": None, "query": None, form: "things"})
        if getattr(kind.things, form) is None:
            with pytest.raises(InvalidValue) as raised:
                kind.source.describe(asked)
            assert [each.pointer for each in raised.value.errors] == [f"#/source/{form}"]


def test_a_reading_that_was_cancelled_before_it_began_reads_nothing(kind):
    split = kind.source.split(kind.things, None, sizing(1 << 20))
    reading = kind.source.read(request(kind.things, split))
    reading.cancel()

    with pytest.raises(ReadCancelled), reading:
        next(iter(reading))


def test_a_reading_can_be_left_at_any_batch(kind):
    split = kind.source.split(kind.things, None, sizing(1 << 20))
    with kind.source.read(request(kind.things, split)) as reading:
        first = next(iter(reading))

    assert first.num_rows > 0
    assert_same_rows(stage(kind.source, kind.things).table, source_kinds.rows(), "id")
