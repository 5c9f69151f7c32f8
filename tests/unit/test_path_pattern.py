"""A glob means in a bucket what it means in a folder."""

import itertools

import pytest

from staging.sources.files.path_pattern import matching_depths

PATHS = ["a.csv", "y=1/a.csv", "y=1/z=2/b.csv", "y=1/z=2/c.txt", "y=2/a.csv", "[x]/a.csv"]
PATTERNS = [
    "*",
    "*.csv",
    "?.csv",
    "y=*",
    "y=*/*.csv",
    "y=[!1]/*",
    "**",
    "**/*.csv",
    "y=1/**",
    "**/z=2/*",
    "**/**/a.csv",
    "y=1/**/b.csv",
    "[[]x]/*",
    "no/*",
]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_path_is_matched_as_pathlib_does(tmp_path, pattern):
    for path in PATHS:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()

    parts = {path: path.split("/") for path in PATHS}
    found = {
        "/".join(each[:depth])
        for each in parts.values()
        for depth in matching_depths(pattern.split("/"), each)
        if depth < len(each) or not pattern.endswith("**")  # before Python 3.13 these are folders
    }

    assert found == {
        each.relative_to(tmp_path).as_posix().removeprefix(".")
        for each in tmp_path.glob(pattern)
        if each.is_dir() or not pattern.endswith("**")
    }


def test_a_pattern_of_many_wild_parts_takes_no_longer_than_its_path():
    pattern = list(itertools.chain.from_iterable(itertools.repeat(("**", "a*"), 200)))

    assert list(matching_depths(pattern, ["a"] * 199 + ["b"] * 200)) == []
