"""Partitions are about as large as the target, and as many as keep every reader busy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from staging.sources.sizing import Sizing


@pytest.mark.parametrize(
    ("total", "readers", "parts"),
    [
        (0, 2, 1),
        (90, 2, 1),
        (100, 8, 1),
        (150, 2, 2),
        (206, 2, 2),
        (300, 8, 3),
        (850, 8, 8),
        (230, 2, 4),
        (310, 2, 4),
        (1000, 4, 12),
    ],
)
def test_parts_are_a_multiple_of_the_readers_where_sizes_allow(total, readers, parts):
    assert Sizing(100, len, readers).parts(total) == parts


@given(total=st.floats(0, 1e7), readers=st.integers(1, 64))
def test_parts_stay_within_a_factor_of_two_of_the_target(total, readers):
    parts = Sizing(100, len, readers).parts(total)

    assert total / parts <= 200
    assert parts == 1 or total / parts >= 50
