"""The SQL for MySQL: names and values are quoted, key ranges and hints survive the catalog."""

import json

import pytest

from staging.core.source_spec import SourceSpec
from staging.sources.mysql.key_range import KeyRange, condition_of
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
        (KeyRange("k`", None, 5), "`k``` < 5"),
        (KeyRange("k", 5, None), "`k` >= 5"),
        (KeyRange("k", -5, 2**64 - 1), "`k` >= -5 AND `k` < 18446744073709551615"),
        (KeyRange("k"), "`k` IS NOT NULL"),
        (KeyRange("k", is_null=True), "`k` IS NULL"),
    ],
)
def test_a_key_range_is_the_same_after_the_catalog(bounds, condition):
    assert condition_of(json.loads(json.dumps(bounds.to_json()))) == (condition,)


def test_no_bounds_are_all_rows():
    assert condition_of({}) == ()


def test_the_hint_of_a_source_survives_the_catalog_and_is_shown_only_if_given():
    plain = SourceSpec("shop", table="orders")
    hinted = SourceSpec("shop", table="orders", partition_by="customer_id")

    assert "partition_by" not in plain.to_json()
    assert [SourceSpec.from_json(each.to_json()) for each in (plain, hinted)] == [plain, hinted]
