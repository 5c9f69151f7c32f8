"""The type of a CSV column gives back each text's value, or the column stays text."""

import datetime
import math

import pyarrow as pa
import pytest

from staging.sources.files.csv_types import ColumnTypes, convert, type_named


def found(*texts: str | None) -> pa.DataType:
    types = ColumnTypes()
    types.see(pa.array(texts, pa.string()))
    return types.found()


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["1", "-2", None, "0"], pa.int64()),
        (["9223372036854775807"], pa.int64()),
        (["9223372036854775808"], pa.string()),
        (["007"], pa.string()),
        (["-0"], pa.float64()),
        (["1", "1.5", "-2e10", "nan", "-inf"], pa.float64()),
        (["0.14285714285714285"], pa.float64()),
        (["0.1428571428571428571"], pa.string()),
        (["-0.00000014285714285714285e-300", "142857142857142.85", "0.000"], pa.float64()),
        (["0.000142857142857142857"], pa.string()),
        (["1.42857142857142857e3"], pa.string()),
        (["142857142857142.857"], pa.string()),
        (["1234567890123456.5"], pa.string()),
        (["1."], pa.string()),
        (["1.7976931348623157e308", "5e-324", "0e5", "-0.0"], pa.float64()),
        (["1e400"], pa.string()),
        (["0.5", "1e-400"], pa.string()),
        (["true", "False"], pa.bool_()),
        (["2020-02-29"], pa.date32()),
        (["2020-02-30"], pa.string()),
        (["2020-02-29 01:02:03.123456"], pa.timestamp("us")),
        (["2020-02-29T01:02:03.1234567"], pa.string()),
        (["2020-02-29T01:02:03Z", "2020-02-29 01:02:03+02"], pa.timestamp("us", "UTC")),
        (["2020-02-29T01:02:03Z", "2020-02-29 01:02:03"], pa.string()),
        (["1", "a"], pa.string()),
        ([None, None], pa.string()),
        ([], pa.string()),
    ],
)
def test_a_type_is_taken_only_if_every_text_has_its_form(texts, expected):
    assert found(*texts) == expected
    assert type_named(str(expected)) == expected


def test_texts_become_values():
    values, bad = convert(pa.array(["2020-02-29", None]), pa.date32())

    assert (values.to_pylist(), bad) == ([datetime.date(2020, 2, 29), None], 0)


@pytest.mark.parametrize(
    ("kind", "texts", "values", "bad"),
    [
        (pa.int64(), ["1", "a", None, "007"], [1, None, None, None], 2),
        (pa.int64(), ["1", "9223372036854775808"], [1, None], 1),
        (pa.float64(), ["0.5", "0.12345678901234567890", "1e3"], [0.5, None, 1000.0], 1),
        (pa.float64(), ["-1234567890123.45678", "inf"], [None, math.inf], 1),
        (pa.float64(), ["1e400", "1e-400", "0e9", "-inf"], [None, None, 0.0, -math.inf], 2),
        (pa.date32(), ["2020-02-30", "2020-02-29"], [None, datetime.date(2020, 2, 29)], 1),
        (pa.bool_(), ["true", "1"], [True, None], 1),
    ],
)
def test_texts_without_a_value_are_counted_and_become_null(kind, texts, values, bad):
    converted, counted = convert(pa.array(texts), kind)

    assert (converted.type, converted.to_pylist(), counted) == (kind, values, bad)
