"""The SQL for Postgres: names and values are quoted, pages are cut without gap or overlap."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from staging.sources.filter_values import ValueKind
from staging.sources.postgres.bounds import ReadBounds, batch_rows_for, stride_for
from staging.sources.postgres.catalogue import Target
from staging.sources.postgres.pages import PageRange, Stride, cut_pages, pages_below, strides
from staging.sources.postgres.quoting import quote_literal, quote_name
from staging.sources.postgres.relation import Relation
from staging.sources.postgres.statement import SelectedColumn, Statement, Watch, with_watches
from staging.sources.postgres.type_rules import (
    ColumnFacts,
    Guard,
    TypeRule,
    numeric_shape,
    rule_of,
)
from staging.sources.qualified_name import readings_of


def facts(name: str, oid: int, modifier: int = -1, element: int = 0, dims: int = 0) -> ColumnFacts:
    return ColumnFacts(name, oid, modifier, element, dims, "numeric")


def statement(*columns: ColumnFacts, kind: str = "r") -> Statement:
    selected = tuple(SelectedColumn(each, rule_of(each)) for each in columns)
    return Statement(Target('"s"."t"', Relation(1, "s", "t", kind), columns), selected, ("a = 1",))


PRICE = facts('pri"ce', 1700, ((15 << 16) | 2) + 4)


def test_names_and_texts_are_quoted():
    assert quote_name('a"; DROP') == '"a""; DROP"'
    assert quote_literal("it's") == "'it''s'"
    assert quote_literal("\\'") == "E'\\\\'''"
    with pytest.raises(ValueError, match="NUL"):
        quote_literal("a\0b")


@pytest.mark.parametrize(
    ("asked", "first"),
    [
        ("orders", (None, "orders")),
        ("public.orders", ("public", "orders")),
        ('"we.ird"."ta""ble"', ("we.ird", 'ta"ble')),
        ("a.b.c", ("a", "b.c")),
        ('x"; DROP', (None, 'x"; DROP')),
    ],
)
def test_a_table_s_name_is_read_as_its_most_probable_meaning_first(asked, first):
    assert next(iter(readings_of(asked))) == first


def test_every_split_of_a_name_with_dots_is_tried_and_the_whole_name_last():
    assert list(readings_of("a.b.c")) == [("a", "b.c"), ("a.b", "c"), (None, "a.b.c")]


def test_the_select_names_columns_by_position_and_reads_one_range_of_pages():
    built = statement(PRICE, facts("u", 2950), facts("n", 1700))

    assert built.rows(PageRange(5, 9)) == (
        'SELECT "pri""ce" AS c0, "u" AS c1, "n"::text AS c2 FROM "s"."t" WHERE a = 1'
        " AND ctid >= '(5,0)'::tid AND ctid < '(9,0)'::tid"
    )
    assert built.rows(PageRange(9, None)).endswith("a = 1 AND ctid >= '(9,0)'::tid")
    assert built.rows(None).endswith("WHERE a = 1")
    assert built.schema == pa.schema(
        [('pri"ce', pa.decimal128(15, 2)), ("u", pa.string()), ("n", pa.string())]
    )


def test_nan_becomes_null_on_the_server_and_is_flagged_when_that_is_the_policy():
    flagged = with_watches(statement(PRICE), is_nulling=True, zero_columns=['pri"ce'])

    assert flagged.rows(None) == (
        'SELECT (CASE WHEN "pri""ce" = \'NaN\'::numeric THEN NULL ELSE "pri""ce" END)'
        '::numeric(15,2) AS c0, ("pri""ce" = \'NaN\'::numeric) IS TRUE AS g0'
        ' FROM "s"."t" WHERE a = 1'
    )


def test_a_nan_stops_the_query_where_zeros_are_expected():
    stopping = with_watches(statement(PRICE), is_nulling=False, zero_columns=['pri"ce'])

    assert stopping.rows(PageRange(0, None)) == (
        'SELECT "pri""ce" AS c0 FROM "s"."t" WHERE a = 1'
        ' AND CASE WHEN "pri""ce" = \'NaN\'::numeric'
        " THEN 1 / (ctid <> ctid)::int = 0 ELSE true END AND ctid >= '(0,0)'::tid"
    )


def test_elsewhere_a_nan_is_counted_afterwards_in_a_table_and_flagged_in_a_view():
    table, view = (
        with_watches(statement(PRICE, kind=kind), is_nulling=False, zero_columns=())
        for kind in "rv"
    )

    assert [each.watch for each in (*table.columns, *view.columns)] == [Watch.LATER, Watch.FLAGGED]
    assert table.bad_counts(table.columns, PageRange(0, None)) == (
        'SELECT count(*) FILTER (WHERE "pri""ce" = \'NaN\'::numeric) AS n0'
        ' FROM "s"."t" WHERE a = 1 AND ("pri""ce" = \'NaN\'::numeric)'
        " AND ctid >= '(0,0)'::tid"
    )


@pytest.mark.parametrize(
    ("precision", "scale", "rule"),
    [
        (15, 2, TypeRule(pa.decimal128(15, 2), ValueKind.DECIMAL, guard=Guard.NAN)),
        (38, 38, TypeRule(pa.decimal128(38, 38), ValueKind.DECIMAL, guard=Guard.NAN)),
        (39, 2, TypeRule(pa.string(), ValueKind.DECIMAL, "::text")),
        (5, -2, TypeRule(pa.string(), ValueKind.DECIMAL, "::text")),
        (3, 5, TypeRule(pa.string(), ValueKind.DECIMAL, "::text")),
    ],
)
def test_only_a_numeric_that_decimal128_holds_is_read_as_one(precision, scale, rule):
    modifier = ((precision << 16) | (scale & 0x7FF)) + 4

    assert numeric_shape(modifier) == (precision, scale)
    assert rule_of(facts("n", 1700, modifier)) == rule


def test_arrays_are_lists_of_what_the_engine_reads_exactly_else_of_text():
    assert rule_of(facts("a", 1007, element=23)).arrow == pa.list_(pa.int32())
    assert rule_of(facts("a", 1231, element=1700)).cast == "::text[]"
    assert rule_of(facts("a", 1007, element=23, dims=2)).arrow == pa.string()


sizes = st.lists(st.integers(0, 5_000), min_size=1, max_size=5)


@given(sizes, st.integers(1, 50))
def test_ranges_cover_every_page_once(pages, parts):
    ranges = cut_pages(pages, parts)

    assert ranges[0].first == 0
    assert ranges[-1].end is None
    assert [each.end for each in ranges[:-1]] == [each.first for each in ranges[1:]]
    assert 1 <= len(ranges) <= parts
    assert all(each.end > each.first for each in ranges[:-1])


@given(sizes, st.integers(1, 20))
def test_no_range_is_more_than_one_page_number_over_its_share(pages, parts):
    share = sum(pages) / parts

    for each in cut_pages(pages, parts):
        end = max(pages) if each.end is None else each.end
        assert pages_below(pages, end) - pages_below(pages, each.first) <= share + 2 * len(pages)


@given(
    st.integers(0, 50),
    st.one_of(st.none(), st.integers(51, 90)),
    st.builds(Stride, st.integers(1, 30)) | st.builds(Stride, st.just(1), st.integers(1, 400)),
)
def test_strides_cover_their_range_once(first, end, stride):
    cut = list(strides(PageRange(first, end), stride, 70))

    assert (cut[0].first, cut[0].first_row) == (first, 0)
    assert (cut[-1].end, cut[-1].end_row) == (end, 0)
    ends = [(each.end, each.end_row) for each in cut[:-1]]
    assert ends == [(each.first, each.first_row) for each in cut[1:]]
    assert ends == sorted(set(ends))


def test_bounds_are_read_back_as_they_were_written():
    for bounds in (ReadBounds(), ReadBounds(PageRange(1, None), 2048, Stride(3), 99, ("a",))):
        assert ReadBounds.from_json(bounds.to_json()) == bounds


def test_wide_rows_are_read_in_small_batches_and_very_wide_ones_by_few_pages():
    assert batch_rows_for(100) == 61_440
    assert batch_rows_for(2_000) == 6 * 2_048
    assert batch_rows_for(1_000_000) == 2_048
    assert stride_for(2_000, 16_000) is None
    assert stride_for(1_000_000, 8_000_000) == Stride(3)
    assert stride_for(1_000_000, 200_000_000) == Stride(1, 25)
