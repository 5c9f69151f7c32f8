"""The kind that docs/how-to/add-a-source.md adds passes the suite, as far as the page claims."""

import re
import sys
import textwrap
import types
from pathlib import Path

import pyarrow as pa
import pytest

from staging.core.errors import SourceChanged, UnknownColumn, UnknownTable
from staging.core.source_spec import Filter, SourceSpec
from staging.sources import connection, kinds
from staging.sources.connection import parse_connection
from staging.sources.source import ReadCancelled
from tests.integration.source_kinds import rows
from tests.rows import assert_same_rows
from tests.source_reading import request, sizing, stage

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "add-a-source.md"
SPEC = SourceSpec("shelf", path="things")


@pytest.fixture
def source(tmp_path, monkeypatch):
    """The page's module, registered as the page says, over the suite's table in two files."""
    [code] = re.findall(r"^   ```python\n(.*?)^   ```$", PAGE.read_text(), re.M | re.S)
    module = types.ModuleType("arrow_source")
    exec(compile(textwrap.dedent(code), str(PAGE), "exec"), module.__dict__)
    monkeypatch.setitem(sys.modules, "staging.sources.files.arrow_source", module)
    page = PAGE.read_text()
    for table, name in (
        (kinds._KINDS, "_KINDS"),
        (connection.FIELDS, "FIELDS"),
        (connection.REQUIRED, "REQUIRED"),
    ):
        [line] = re.findall(rf"`{name}` \| `\"arrow\": (.*),` \|", page)
        monkeypatch.setitem(table, "arrow", eval(line, vars(connection)))
    folder = tmp_path / "files" / "things"
    folder.mkdir(parents=True)
    for name, part in (("a", rows().slice(0, 700)), ("b", rows().slice(700))):
        with pa.ipc.new_file(folder / f"{name}.arrow", part.schema) as file:
            file.write_table(part, max_chunksize=100)
    return kinds.source_for(parse_connection("shelf", {"kind": "arrow", "root": "files"}, tmp_path))


def test_the_page_s_kind_stages_the_suite_s_table(source):
    staged = stage(source, SPEC)

    assert_same_rows(staged.table, rows(), "id")
    assert len(staged.split.bounds) == 2


def test_the_page_s_kind_keeps_to_columns_and_filters(source):
    asked = SourceSpec("shelf", path="things", columns=("id",), filters=(Filter("ratio", "<", 3),))

    expected = [row["id"] for row in rows().to_pylist() if (row["ratio"] or 9) < 3]
    assert stage(source, asked).table["id"].to_pylist() == expected


def test_the_page_s_kind_refuses_what_is_not_there(source):
    with pytest.raises(UnknownTable, match="nearest: things/"):
        source.describe(SourceSpec("shelf", path="thing/a.arrow"))
    with pytest.raises(UnknownColumn, match="nearest: name"):
        source.describe(SourceSpec("shelf", path="things", columns=("nmae",)))


def test_the_page_s_kind_notices_a_change_and_a_cancel(source, tmp_path):
    split = source.split(SPEC, None, sizing(1 << 20))
    reading = source.read(request(SPEC, split))
    reading.cancel()
    with pytest.raises(ReadCancelled), reading:
        list(reading)
    (tmp_path / "files" / "things" / "b.arrow").write_bytes(b"ARROW1")

    with pytest.raises(SourceChanged), source.read(request(SPEC, split, 1)) as late:
        list(late)
