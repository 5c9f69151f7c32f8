"""What the system itself refuses to look at: names, patterns and folders."""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from staging.core.errors import InvalidValue, SourceAuth, SourceUnavailable
from staging.sources.files.local_root import LocalRoot

NOBODY = 65534
LONG = "x" * 256


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user of the machine may look into, and one in it that nobody may."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "data").mkdir()
        (folder / "data" / "a.parquet").touch()
        (folder / "locked").mkdir(mode=0)
        yield folder


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root may look everywhere: be somebody else."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)


def found(folder: Path, asked: str) -> list[str]:
    return [pin.path for pin in LocalRoot("shelf", folder).find(asked, [".parquet"])]


@pytest.mark.parametrize("path", [LONG, f"data/{LONG}", f"{LONG}/a.parquet", "data/a.parquet/x"])
def test_a_name_that_no_file_can_have_is_not_there(folder, path):
    assert found(folder, path) == []
    assert not LocalRoot("shelf", folder).has_folder(path)


def test_a_link_that_leads_to_itself_is_no_folder(folder):
    (folder / "loop").symlink_to(folder / "loop")

    assert not LocalRoot("shelf", folder).has_folder("loop/below")


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("data/**.parquet", r"the path has `\*\*` beside other characters"),
        ("da**a/*.parquet", r"the path has `\*\*` beside other characters"),
        (f"*/{LONG}", "no file can have"),
    ],
)
def test_a_pattern_that_is_none_is_pointed_at(folder, pattern, problem):
    with pytest.raises(InvalidValue, match=problem) as raised:
        found(folder, pattern)

    assert [each.pointer for each in raised.value.errors] == ["#/source/path"]


def test_a_file_may_have_two_stars_in_its_name(folder):
    (folder / "data" / "**.parquet").touch()

    assert found(folder, "data/**.parquet") == ["data/**.parquet"]


@pytest.mark.parametrize("path", ["locked", ".", "*"])
def test_a_folder_that_cannot_be_listed_is_no_empty_one(folder, path):
    with as_nobody(), pytest.raises(SourceAuth, match="may not read 'locked'"):
        found(folder, path)


def test_a_disk_that_fails_is_tried_again(folder, monkeypatch):
    def fail(*_, **__):
        raise OSError(errno.EIO, "it fails", str(folder / "data"))

    monkeypatch.setattr(Path, "stat", fail)

    with pytest.raises(SourceUnavailable, match="'data' cannot be read"):
        found(folder, "data")


@pytest.mark.parametrize("path", ["locked/a.parquet", "locked/x/*.parquet"])
def test_what_the_service_may_not_look_at_is_refused_to_it(folder, path):
    with as_nobody():
        with pytest.raises(SourceAuth, match="may not read"):
            found(folder, path)
        with pytest.raises(SourceAuth, match="may not read"):
            LocalRoot("shelf", folder).has_folder(path)


def test_a_root_that_the_service_may_not_look_at_is_not_there(folder):
    with as_nobody(), pytest.raises(SourceUnavailable):
        found(folder / "locked" / "root", "a.parquet")
