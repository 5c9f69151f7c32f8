"""Filters are checked against the columns' types, the same for every kind of source."""

import datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from staging.core.errors import FieldError, InvalidValue, UnknownColumn
from staging.core.source_spec import Filter, SourceSpec
from staging.sources.column_choice import choose_columns
from staging.sources.filter_values import TypedFilter, ValueKind, check_filters, value_kind

KINDS = {kind.name.lower(): kind for kind in ValueKind}


def spec(*filters: Filter, columns: tuple[str, ...] | None = None) -> SourceSpec:
    return SourceSpec("c", table="t", filters=filters, columns=columns)


def checked(column: str, op: str, value: object) -> object:
    return check_filters(spec(Filter(column, op, value)), KINDS)[0].value


@pytest.mark.parametrize(
    ("column", "given", "expected"),
    [
        ("boolean", True, True),
        ("integer", 2**70, 2**70),
        ("float", 1, 1.0),
        ("decimal", 0.1, Decimal("0.1")),
        ("decimal", "12.340", Decimal("12.340")),
        ("decimal", 5e-324, Decimal("5e-324")),
        ("decimal", 10**399, Decimal(10**399)),
        ("text", "a'b;--", "a'b;--"),
        ("date", "2020-02-29", datetime.date(2020, 2, 29)),
        ("timestamp", "2020-02-29T01:02:03.5", datetime.datetime(2020, 2, 29, 1, 2, 3, 500_000)),  # noqa: DTZ001 - has no zone
        (
            "instant",
            "2020-02-29T01:00:00+02:00",
            datetime.datetime(2020, 2, 28, 23, tzinfo=datetime.UTC),
        ),
        ("instant", "2020-02-29T01:00:00", datetime.datetime(2020, 2, 29, 1, tzinfo=datetime.UTC)),
        ("time", "01:02:03", datetime.time(1, 2, 3)),
    ],
)
def test_a_value_of_the_column_s_type_is_read(column, given, expected):
    assert checked(column, "=", given) == expected
    assert checked(column, "in", [given, given]) == (expected, expected)


@pytest.mark.parametrize(
    ("column", "op", "value"),
    [
        ("boolean", "=", 1),
        ("boolean", "=", "true"),
        ("integer", "=", "1"),
        ("integer", "=", 1.5),
        ("integer", "=", True),
        ("float", "<", float("nan")),
        ("float", "<", "1"),
        ("decimal", "<", "NaN"),
        ("decimal", "<", "one"),
        ("decimal", "<", "1e5000000"),
        ("decimal", "<", "-1e-5000000"),
        ("decimal", "<", "0e5000000"),
        ("decimal", "<", "9" * 401),
        ("text", "=", 1),
        ("text", "=", "nul\0"),
        ("text", "=", "\ud800"),
        ("text", "=", None),
        ("date", "=", "today"),
        ("date", "=", "2020-02-30"),
        ("date", "=", "infinity"),
        ("timestamp", "=", "2020-02-29T01:00:00Z"),
        ("time", "=", "01:02:03+01"),
        ("integer", "in", []),
        ("integer", "in", 1),
        ("text", "in", "abc"),
        ("integer", "in", [1, None]),
        ("integer", "in", [1] * 10_001),
        ("integer", "is_null", 1),
    ],
)
def test_any_other_value_is_refused_with_a_pointer(column, op, value):
    with pytest.raises(InvalidValue) as raised:
        checked(column, op, value)

    assert [each.pointer for each in raised.value.errors] == ["#/source/filters/0/value"]


@pytest.mark.parametrize(
    ("column", "op"), [("integer", "like"), ("opaque", "="), ("text", "~"), ("text", "LIKE")]
)
def test_an_operator_that_does_not_suit_is_refused_with_a_pointer(column, op):
    with pytest.raises(InvalidValue) as raised:
        check_filters(spec(Filter("text", "not_null"), Filter(column, op, "x")), KINDS)

    assert [each.pointer for each in raised.value.errors] == ["#/source/filters/1/op"]


def test_every_wrong_filter_is_named_at_once():
    with pytest.raises(InvalidValue) as raised:
        check_filters(spec(Filter("integer", "=", "a"), Filter("text", "=", 1)), KINDS)

    assert raised.value.errors == (
        FieldError("#/source/filters/0/value", "must be a whole number"),
        FieldError("#/source/filters/1/value", "must be a text"),
    )


def test_null_tests_take_no_value_and_suit_every_column():
    assert check_filters(spec(Filter("opaque", "is_null")), KINDS) == (
        TypedFilter(0, "opaque", "is_null", None),
    )


def test_arrow_types_have_the_value_kind_that_a_person_expects():
    shown = {
        pa.int8(): "INTEGER",
        pa.uint64(): "INTEGER",
        pa.float32(): "FLOAT",
        pa.decimal128(15, 2): "DECIMAL",
        pa.large_string(): "TEXT",
        pa.date32(): "DATE",
        pa.timestamp("ns"): "TIMESTAMP",
        pa.timestamp("us", "UTC"): "INSTANT",
        pa.time64("us"): "TIME",
        pa.binary(): "OPAQUE",
        pa.list_(pa.int32()): "OPAQUE",
    }
    assert {kind: value_kind(kind).name for kind in shown} == shown


def test_columns_come_in_the_order_asked_for():
    assert choose_columns(spec(columns=("b", "a")), ["a", "b", "c"]) == ("b", "a")
    assert choose_columns(spec(), ["a", "b"]) == ("a", "b")


def test_unknown_columns_are_named_with_the_nearest_ones_filters_too():
    asked = spec(Filter("quantitiy", "is_null"), columns=("price", "pirce"))

    with pytest.raises(UnknownColumn) as raised:
        choose_columns(asked, ["price", "quantity"])

    assert raised.value.errors == (
        FieldError("#/source/columns/1", "there is no column 'pirce'; nearest: price"),
        FieldError(
            "#/source/filters/0/column", "there is no column 'quantitiy'; nearest: quantity"
        ),
    )


def test_the_nearest_names_are_looked_for_for_the_first_unknown_columns_alone():
    asked = spec(columns=tuple(f"quantity{n}" for n in range(10)))

    with pytest.raises(UnknownColumn) as raised:
        choose_columns(asked, ["price", "quantity"])

    near = [each.detail.endswith("; nearest: quantity") for each in raised.value.errors]
    assert near == [True] * 8 + [False] * 2


@pytest.mark.parametrize(("columns", "pointer"), [((), ""), (("a", "b", "a"), "/2")])
def test_an_empty_or_repeating_list_of_columns_is_refused(columns, pointer):
    with pytest.raises(InvalidValue) as raised:
        choose_columns(spec(columns=columns), ["a", "b"])

    assert [each.pointer for each in raised.value.errors] == [f"#/source/columns{pointer}"]
