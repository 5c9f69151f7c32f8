"""Marks of incremental jobs: what they are made of, and that filters take them."""

from datetime import date
from decimal import Decimal

import pyarrow as pa
import pytest

from cluster.high_water import HighWater
from staging.core.errors import Unrepresentable
from staging.core.high_water import has_mark, mark_value
from staging.core.source_spec import Incremental, SourceSpec
from staging.sources.arrow_filters import filter_expression

_DIGITS_38 = "12345678901234567890123456789012345.678"
CASES = {
    "int64": (pa.array([3, None, -(2**62), 2**62]), 2**62),
    "uint64": (pa.array([3, 2**64 - 1], pa.uint64()), 2**64 - 1),
    "negative": (pa.array([-7, -3], pa.int16()), -3),
    "decimal": (pa.array([Decimal("1.50"), Decimal("-2.25")], pa.decimal128(9, 2)), "1.50"),
    "small_decimal": (pa.array([Decimal("-0.007")], pa.decimal128(9, 3)), "-0.007"),
    "long_decimal": (pa.array([Decimal(_DIGITS_38)], pa.decimal128(38, 3)), _DIGITS_38),
    "date": (pa.array([date(1969, 12, 31), date(9999, 12, 31)]), "9999-12-31"),
    "timestamp": (
        pa.array([1_767_323_045_000_600, -62_135_596_800_000_000], pa.timestamp("us")),
        "2026-01-02T03:04:05.000600",
    ),
    "seconds": (pa.array([0, 61], pa.timestamp("s")), "1970-01-01T00:01:01"),
    "instant": (pa.array([1], pa.timestamp("us", "UTC")), "1970-01-01T00:00:00.000001Z"),
}


def mark_of(*arrays: pa.Array) -> int | None:
    water = HighWater("at")
    batches = [pa.record_batch({"at": each}) for each in arrays]
    assert list(water.through(batches)) == batches
    return water.mark


@pytest.mark.parametrize("name", CASES)
def test_the_mark_is_the_greatest_value_as_a_filter_takes_it(name):
    values, expected = CASES[name]
    mark = mark_of(values.slice(0, 1), values.slice(1), values.slice(0, 0))

    assert mark_value(str(values.type), mark) == expected


@pytest.mark.parametrize("name", CASES)
def test_no_row_is_newer_than_the_mark(name):
    values, mark = CASES[name]
    table = pa.table({"at": values})
    spec = SourceSpec("w", "t", incremental=Incremental("at", mark)).newer_only()

    kept = filter_expression(spec, table.schema)

    assert table.filter(kept).num_rows == 0


def test_nothing_but_null_has_no_mark():
    assert mark_of(pa.array([None, None], pa.int64())) is None
    assert mark_of() is None


def test_a_date_that_no_filter_can_name_is_said_to_be_one():
    with pytest.raises(Unrepresentable, match="'at' has a date outside"):
        mark_of(pa.array([4_000_000], pa.date32()))


@pytest.mark.parametrize(
    "kind",
    [pa.string(), pa.float64(), pa.timestamp("ns"), pa.bool_(), pa.list_(pa.int64()), pa.binary()],
)
def test_types_without_an_order_that_all_sources_share_have_no_mark(kind):
    assert not has_mark(str(kind))
