"""What drivers give for SQLAlchemy's types becomes exactly that, or is stated as lost."""

import datetime
import uuid
from decimal import Decimal

import pyarrow as pa
import pytest
from sqlalchemy import types

from staging.sources.sqlalchemy.column_rules import rule_of

NOON = datetime.datetime(2020, 2, 29, 12)  # noqa: DTZ001 - has no zone
NOON_UTC = NOON.replace(tzinfo=datetime.UTC)
_UUID = uuid.UUID(int=7)


@pytest.mark.parametrize(
    ("declared", "arrow", "given", "expected"),
    [
        (types.Boolean(), pa.bool_(), [True, 0, None], [True, False, None]),
        (types.Integer(), pa.int64(), [Decimal(7), -(2**63)], [7, -(2**63)]),
        (types.Float(), pa.float64(), [Decimal("0.5"), 3, float("inf")], [0.5, 3.0, float("inf")]),
        (types.Numeric(38, 38), pa.decimal128(38, 38), [Decimal("1e-38")], [Decimal("1e-38")]),
        (types.Numeric(4, 2), pa.decimal128(4, 2), [0.1, 7], [Decimal("0.10"), Decimal("7.00")]),
        (types.Numeric(39, 2), pa.string(), [Decimal("1e20")], ["1" + "0" * 20]),
        (types.Numeric(), pa.string(), [1e-7, 12], ["0.0000001", "12"]),
        (types.Enum("a", "b"), pa.string(), ["a", "unknown"], ["a", "unknown"]),
        (types.Uuid(), pa.string(), [_UUID], [str(_UUID)]),
        (types.LargeBinary(), pa.binary(), [memoryview(b"a"), bytearray(b"")], [b"a", b""]),
        (types.DateTime(), pa.timestamp("us"), [NOON], [NOON]),
        (types.DateTime(timezone=True), pa.timestamp("us", "UTC"), [NOON_UTC], [NOON_UTC]),
    ],
)
def test_what_has_a_form_is_kept(declared, arrow, given, expected):
    rule = rule_of(declared)

    values, lost = rule.array(given)
    assert (rule.arrow, values.type, values.to_pylist(), lost) == (arrow, arrow, expected, None)


@pytest.mark.parametrize(
    ("declared", "given"),
    [
        (types.Boolean(), 2),
        (types.Boolean(), "t"),
        (types.Integer(), 2**63),
        (types.Integer(), 1.0),
        (types.Integer(), Decimal("1.5")),
        (types.Integer(), True),
        (types.Float(), Decimal("0.1")),
        (types.Float(), 2**53 + 1),
        (types.Float(), 10**400),
        (types.Float(), "1"),
        (types.Numeric(4, 2), Decimal("0.125")),
        (types.Numeric(4, 2), Decimal(100)),
        (types.Numeric(4, 2), Decimal("NaN")),
        (types.Numeric(4, 2), float("nan")),
        (types.Numeric(), Decimal("Infinity")),
        (types.String(), b"a"),
        (types.String(), "\ud800"),
        (types.LargeBinary(), "a"),
        (types.Date(), NOON),
        (types.Time(), NOON_UTC.timetz()),
        (types.DateTime(), NOON_UTC),
        (types.DateTime(), "2020-02-29"),
        (types.DateTime(timezone=True), NOON),
    ],
)
def test_what_has_none_is_lost_among_those_that_have(declared, given):
    values, lost = rule_of(declared).array([None, given])

    assert (values.to_pylist(), lost.to_pylist()) == ([None, None], [False, True])


@pytest.mark.parametrize(
    "declared",
    [
        types.JSON(),
        types.Interval(),
        types.ARRAY(types.Integer),
        types.Time(timezone=True),
        types.NULLTYPE,
    ],
)
def test_a_type_without_an_exact_form_has_no_rule(declared):
    assert rule_of(declared) is None
