"""CSV and JSON lines in a bucket are read by ranges, as the same files in a folder are."""

import gzip
import json
from hashlib import sha256

import pyarrow as pa
import pytest

from staging.core.errors import SourceChanged, SourceError, SourceUnsupported
from staging.sources.files.s3_root import S3Root
from tests.buckets import BucketRoot, new_root
from tests.source_reading import request, sizing, stage

ROWS = 200_000


@pytest.fixture
def root(s3) -> BucketRoot:
    return new_root(s3)


@pytest.fixture
def ranges(monkeypatch) -> list[tuple[int, int]]:
    """The ranges that are asked of the store."""
    asked: list[tuple[int, int]] = []
    real = S3Root._range

    def recorded(self, pin, first, last):
        asked.append((first, last))
        return real(self, pin, first, last)

    monkeypatch.setattr(S3Root, "_range", recorded)
    return asked


def expected() -> pa.Table:
    numbers = range(ROWS)
    return pa.table({"id": numbers, "body": [f'ünï, "{n}"\nand {"x" * 40}' for n in numbers]})


def csv_text() -> bytes:
    lines = (f'{n},"ünï, ""{n}""\nand {"x" * 40}"\n' for n in range(ROWS))
    return "".join(["\ufeffid,body\n", *lines]).encode()


def json_text() -> bytes:
    return "".join(json.dumps(each) + "\n" for each in expected().to_pylist()).encode()


TEXTS = {"csv": csv_text, "json": json_text}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", TEXTS)
def test_a_large_file_is_read_once_and_in_parts(root, ranges, kind, packed):
    text = TEXTS[kind]()
    body = gzip.compress(text, 1) if packed else text
    path = f"t.{kind}.gz" if packed else f"t.{kind}"
    root.put(path, body)
    source = root.source(kind)
    split = source.split(root.spec(path), None, sizing(1 << 30))

    ranges.clear()
    with source.read(request(root.spec(path), split)) as reading:
        found = pa.Table.from_batches(reading)

    assert found.equals(expected())
    assert sum(last - first for first, last in ranges) < 1.1 * len(body) + (1 << 17)
    assert max(last - first for first, last in ranges) <= 4 << 20
    assert packed or len(ranges) > 2


def test_json_lines_are_cut_at_line_ends(root):
    rows = [{"id": n, "body": f"ünï {sha256(str(n).encode()).hexdigest()}"} for n in range(90_000)]
    root.put("t.json", "".join(json.dumps(each) + "\n" for each in rows).encode())

    staged = stage(root.source("json"), root.spec("t.json"))
    assert len(staged.partition_rows) > 2
    assert staged.table.to_pylist() == rows


def test_the_header_of_a_csv_file_is_found_without_the_rest_of_it(root, ranges):
    root.put("t.csv", csv_text())

    assert root.source("csv").describe(root.spec("t.csv")).names == ["id", "body"]
    assert ranges[0] == (0, 64 << 10)
    assert sum(last - first for first, last in ranges) < 16 << 20


@pytest.mark.parametrize("name", ["t.csv.bz2", "t.csv.zst", "t.tsv"])
def test_packed_and_tab_separated_files_are_read(root, tmp_path, name):
    separator = "\t" if "tsv" in name else ","
    with pa.output_stream(str(tmp_path / name), compression="detect") as out:
        out.write(f"\ufeffid{separator}näme\n1{separator}ünï\n".encode())
    root.upload(tmp_path)

    table = stage(root.source("csv"), root.spec(name)).table
    assert table.to_pydict() == {"id": [1], "näme": ["ünï"]}


@pytest.mark.parametrize("kind", TEXTS)
def test_a_file_that_is_replaced_while_it_is_read_is_never_shown_as_whole(root, kind):
    text = TEXTS[kind]()
    root.put(f"t.{kind}", text)
    source, asked = root.source(kind), root.spec(f"t.{kind}")
    split = source.split(asked, None, sizing(1 << 30))

    with source.read(request(asked, split)) as reading:
        batches = iter(reading)
        next(batches)
        root.put(f"t.{kind}", text[:-100] + text[-100:].swapcase())
        with pytest.raises(SourceChanged):
            list(batches)


@pytest.mark.parametrize("kind", TEXTS)
def test_a_file_that_changed_after_the_split_is_stated(root, kind):
    text = {"csv": b"n\n1\n", "json": b'{"n": 1}\n'}[kind]
    root.put(f"t.{kind}", text)
    source, asked = root.source(kind), root.spec(f"t.{kind}")
    split = source.split(asked, None, sizing(1 << 20))
    root.put(f"t.{kind}", text.replace(b"1", b"2"))

    with pytest.raises(SourceChanged), source.read(request(asked, split)) as reading:
        list(reading)


def test_an_empty_file_that_was_filled_after_it_was_pinned_has_changed(root):
    root.put("a.json", b'{"n": 1}\n')
    root.put("b.json", b"")
    source, asked = root.source("json"), root.spec("*.json")
    split = source.split(asked, None, sizing(1 << 20))
    root.put("b.json", b'{"n": 2}\n')

    with pytest.raises(SourceChanged), source.read(request(asked, split, 1)) as reading:
        list(reading)


def test_a_file_that_was_cut_off_is_never_staged_as_whole(root):
    root.put("cut.json.gz", gzip.compress(b'{"v": 1}\n' * 100_000)[:-40])
    root.put("cut.csv.gz", gzip.compress(b"v\n" + b"1\n" * 100_000)[:-40])
    root.put("torn.csv", b'id,name\n1,"a\n2,b\n')

    for kind, path in (("json", "cut.json.gz"), ("csv", "cut.csv.gz")):
        with pytest.raises(SourceError):
            stage(root.source(kind), root.spec(path))
    with pytest.raises(SourceUnsupported, match="never closed"):
        stage(root.source("csv"), root.spec("torn.csv"))
