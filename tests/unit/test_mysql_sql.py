"""The SQL for MySQL: names and values are quoted, key ranges and hints survive the catalog."""

import json

import pytest

from staging.core.source_spec import SourceSpec
from staging.sources.mysql.key_range import KeyRange, condition_of, even_edges, ranges_between
from staging.sources.mysql.quoting import quote_literal, quote_name
from staging.sources.qualified_name import readings_of


def test_names_and_texts_are_quoted():
    assert quote_name("a`; DROP") == "`a``; DROP`"
    assert quote_literal("it's \\ %s") == "'it''s \\\\ %s'"
    with pytest.raises(ValueError, match="NUL"):
        quote_name("a\0b")


@pytest.mark.parametrize(
    ("asked", "first"),
    [
        ("shop.orders", ("shop", "orders")),
        ("`sh.op`.`or``ders`", ("sh.op", "or`ders")),
        ('"sh.op"."or""ders"', ("sh.op", 'or"ders')),
        ('`a"b`', (None, 'a"b')),
        ("`half", (None, "`half")),
    ],
)
def test_a_table_s_name_may_be_quoted_in_either_way(asked, first):
    assert next(iter(readings_of(asked, '"`'))) == first


@pytest.mark.parametrize(
    ("bounds", "condition"),
    [
        (KeyRange(["k`"], None, ["5"]), "`k``` < 5"),
        (KeyRange(["k"], ["5"], None), "`k` >= 5"),
        (KeyRange(["k"], ["-5"], ["7"]), "`k` >= -5 AND `k` < 7"),
        (KeyRange(["k"]), "`k` IS NOT NULL"),
        (KeyRange(["k", "n"], is_null=True), "`k` IS NULL"),
        (
            KeyRange(["k", "n"], ["1", "x'00'"], ["2", "x'ff'"]),
            "(`k` >= 1 AND (`k` > 1 OR `n` >= x'00')) AND (`k` <= 2 AND (`k` < 2 OR `n` < x'ff'))",
        ),
    ],
)
def test_a_key_range_is_the_same_after_the_catalog(bounds, condition):
    assert condition_of(json.loads(json.dumps(bounds.to_json()))) == (condition,)


@pytest.mark.parametrize(
    ("least", "most", "parts"), [(1, 10, 3), (0, 0, 5), (-5, 5, 100), (0, 2**64 - 1, 7)]
)
def test_every_whole_number_is_in_one_range_and_null_in_its_own(least, most, parts):
    ranges = ranges_between(["k"], even_edges(least, most, parts), may_be_null=True)
    edges = [int(each.first[0]) for each in ranges[1:-1]]

    assert ranges[0].first is None
    assert ranges[-2].end is None
    assert [int(each.end[0]) for each in ranges[:-2]] == edges == sorted(set(edges))
    assert all(least < edge <= most for edge in edges)
    assert [each.is_null for each in ranges] == [False] * (len(ranges) - 1) + [True]
    assert len(ranges) <= parts + 1


def test_no_bounds_are_all_rows():
    assert condition_of({}) == ()


def test_the_hint_of_a_source_survives_the_catalog_and_is_shown_only_if_given():
    plain = SourceSpec("shop", table="orders")
    hinted = SourceSpec("shop", table="orders", partition_by="customer_id")

    assert "partition_by" not in plain.to_json()
    assert [SourceSpec.from_json(each.to_json()) for each in (plain, hinted)] == [plain, hinted]
