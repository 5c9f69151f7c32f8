"""JSON lines are staged exactly: each value as it is, or as JSON text, or it is stated."""

import gzip
import json
from hashlib import sha256
from pathlib import Path

import pytest

from staging.core.errors import SourceChanged, SourceError, SourceUnsupported, Unrepresentable
from staging.core.source_spec import SourceSpec
from staging.sources.connection import Connection
from staging.sources.files.json_source import JsonSource
from tests.source_reading import Staged, request, sizing, stage

DECLARED = [
    ("true", "bool", True),
    ("-9223372036854775808", "int64", -(2**63)),
    ("0.1", "double", 0.1),
    ("5e-324", "double", 5e-324),
    ("0.0", "double", 0.0),
    ("1.7976931348623157e308", "double", 1.7976931348623157e308),
    ('"ünï \\u2603 \\ud83c\\udf88"', "string", "ünï ☃ \U0001f388"),
    ('""', "string", ""),
    ('"a\\u0000b"', "string", "a\0b"),
    ('"2020-02-29T01:02:03Z"', "string", "2020-02-29T01:02:03Z"),
    ("9223372036854775808", "string", "9223372036854775808"),
    ("0.12345678901234567890", "string", "0.12345678901234567890"),
    ("1e400", "string", "1e400"),
    ("1e-400", "string", "1e-400"),
    ('{"b": [1, null], "a": "é"}', "string", '{"b":[1,null],"a":"é"}'),
    ("[]", "string", "[]"),
]
MIXED = [
    (["1", "1.5"], "double", [1.0, 1.5]),
    (["1", "9007199254740993", "0.5"], "string", ["1", "9007199254740993", "0.5"]),
    (["1", '"1"'], "string", ["1", '"1"']),
    (["true", "0"], "string", ["true", "0"]),
    (["null", "[1]", '"x"'], "string", [None, "[1]", '"x"']),
    (["null"], "string", [None]),
]


def write(root: Path, *lines: str | bytes, name: str = "rows.jsonl") -> None:
    encoded = (each.encode() if isinstance(each, str) else each for each in lines)
    (root / name).write_bytes(b"".join(each + b"\n" for each in encoded))


def source(root: Path) -> JsonSource:
    return JsonSource(Connection("logs", "json", root=root))


def staged(root: Path, path: str = "rows.jsonl", policy: str = "fail", **asked: object) -> Staged:
    return stage(source(root), SourceSpec("logs", path=path, **asked), policy=policy)


@pytest.mark.parametrize(("written", "kind", "value"), DECLARED)
def test_a_value_is_staged_as_it_is(tmp_path, written, kind, value):
    write(tmp_path, f'{{"v": {written}}}', '{"v": null}', "{}")

    column = staged(tmp_path).table["v"]
    assert (str(column.type), column.to_pylist()) == (kind, [value, None, None])


@pytest.mark.parametrize(("written", "kind", "values"), MIXED)
def test_values_of_different_types_become_json_text(tmp_path, written, kind, values):
    write(tmp_path, *(f'{{"v": {each}}}' for each in written))

    column = staged(tmp_path).table["v"]
    assert (str(column.type), column.to_pylist()) == (kind, values)


@pytest.mark.parametrize(
    "stray", ['"\\ud800"', '{"a": "\\udc00"}', "[1e400]", "[0.12345678901234567890]"]
)
def test_a_value_without_a_form_fails_the_read_or_is_counted_as_null(tmp_path, stray):
    write(tmp_path, f'{{"v": {stray}}}', '{"v": null}')

    with pytest.raises(Unrepresentable, match="column 'v' holds at least 1 value "):
        staged(tmp_path)
    found = staged(tmp_path, policy="null")
    assert (found.table["v"].to_pylist(), found.nulled) == ([None, None], {"v": 1})


BAD_LINES = {
    '{"v": 1': "not JSON",
    '{"v": NaN}': "not JSON",
    '{"v": -Infinity}': "not JSON",
    '{"v": 01}': "not JSON",
    "{'v': 1}": "not JSON",
    '{"v": 1} {"v": 2}': "not JSON",
    '[{"v": 1}]': "no JSON object",
    '"secret"': "no JSON object",
    '{"v": 1, "v": "secret"}': "names a member twice",
    '{"v": {"a": 1, "a": 2}}': "names a member twice",
    '{"v": ' + "[" * 50_000: "nested too deep",
}


@pytest.mark.parametrize("line", BAD_LINES, ids=range(len(BAD_LINES)))
def test_a_bad_line_is_refused_by_its_place_and_never_by_its_text(tmp_path, line):
    write(tmp_path, '{"v": 1}', line, '{"v": 2}')

    with pytest.raises(SourceUnsupported) as raised:
        staged(tmp_path)
    assert raised.value.detail.startswith("'rows.jsonl' has at byte 9 ")
    assert BAD_LINES[line] in raised.value.detail
    assert "secret" not in raised.value.detail


def test_bytes_that_are_not_utf_8_are_refused(tmp_path):
    write(tmp_path, '{"v": "a"}', b'{"v": "\xff"}')

    with pytest.raises(Unrepresentable, match="at byte 11 bytes that are not UTF-8"):
        staged(tmp_path)


def test_a_file_that_was_cut_off_is_never_staged_as_whole(tmp_path):
    packed = gzip.compress(b'{"v": 1}\n' * 100_000)
    (tmp_path / "cut.json.gz").write_bytes(packed[:-40])
    write(tmp_path, '{"v": 1}', name="cut.json")
    with (tmp_path / "cut.json").open("ab") as file:
        file.write(b'{"v": 2')

    for path in ("cut.json.gz", "cut.json"):
        with pytest.raises(SourceError):
            staged(tmp_path, path)


def test_a_member_first_seen_after_planning_is_stated_not_dropped(tmp_path, monkeypatch):
    narrow = SourceSpec("logs", path="rows.jsonl", columns=("v",))
    monkeypatch.setattr("staging.sources.files.json_source._DESCRIBE_BYTES", 8)
    monkeypatch.setattr("staging.sources.files.json_source._LEAST_BYTES", 8)
    monkeypatch.setattr("staging.sources.files.json_source._SPLIT_BYTES", 8)
    write(tmp_path, '{"v": 1}', '{"v": 2, "w": "late"}')

    with pytest.raises(SourceUnsupported, match="a member that planning did not see"):
        staged(tmp_path)
    assert stage(source(tmp_path), narrow).table["v"].to_pylist() == [1, 2]


def test_a_large_file_is_cut_at_line_ends_and_each_row_is_read_once(tmp_path):
    rows = [{"id": n, "body": f"ünï {sha256(str(n).encode()).hexdigest()}"} for n in range(90_000)]
    write(tmp_path, *(json.dumps(each, ensure_ascii=n % 2 == 0) for n, each in enumerate(rows)))

    found = staged(tmp_path)
    assert len(found.partition_rows) > 2
    assert max(found.partition_rows) < 2 * min(found.partition_rows)
    assert found.table["id"].to_pylist() == list(range(len(rows)))
    assert found.table["body"].to_pylist() == [each["body"] for each in rows]


def test_line_ends_bom_and_packed_files_are_understood(tmp_path):
    (tmp_path / "a.json").write_bytes(b'\xef\xbb\xbf{"id": 1}\r\n\r\n{"id": 2}')
    (tmp_path / "b.ndjson.gz").write_bytes(gzip.compress(b'{"id": 3}\n'))
    (tmp_path / "notes.txt").write_text("not read")

    assert staged(tmp_path, ".").table["id"].to_pylist() == [1, 2, 3]


def test_a_file_that_changes_after_planning_fails_the_read(tmp_path):
    write(tmp_path, '{"v": 1}')
    spec = SourceSpec("logs", path="rows.jsonl")
    split = source(tmp_path).split(spec, None, sizing(1 << 20))
    write(tmp_path, '{"v": 1}', '{"v": 2}')

    with (
        pytest.raises(SourceChanged, match="changed after the job was planned"),
        source(tmp_path).read(request(spec, split)) as reading,
    ):
        list(reading)


def test_members_of_all_files_make_one_schema(tmp_path):
    write(tmp_path, '{"a": 1}', name="1.json")
    write(tmp_path, '{"a": 2.5, "b": "x"}', name="2.json")

    table = staged(tmp_path, "*.json").table
    assert [str(each) for each in table.schema.types] == ["double", "string"]
    assert table.to_pydict() == {"a": [1.0, 2.5], "b": [None, "x"]}


def test_a_file_without_members_is_refused(tmp_path):
    write(tmp_path, "", "{}")

    with pytest.raises(SourceUnsupported, match="has no object with a member"):
        staged(tmp_path)
