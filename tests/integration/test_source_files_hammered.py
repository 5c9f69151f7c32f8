"""A folder that others write to all the time is read as it was when the job was planned."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from staging.core.errors import SourceChanged
from staging.core.source_spec import SourceSpec
from staging.sources.connection import Connection
from staging.sources.kinds import source_for
from staging.sources.source import Source
from tests.source_reading import request, sizing

SPEC = SourceSpec("exports", path="events")
FILES, ROWS = 8, 20_000
CHANGES = 300


def write_csv(table: pa.Table, path: Path) -> None:
    pa.csv.write_csv(table, path)


def write_json(table: pa.Table, path: Path) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()))


WRITERS = {"parquet": pq.write_table, "csv": write_csv, "json": write_json}


def numbers(first: int, rows: int) -> pa.Table:
    return pa.table({"id": range(first, first + rows), "at": [f"{n:x}" for n in range(rows)]})


@pytest.fixture(params=WRITERS)
def kind(request) -> str:
    return request.param


@pytest.fixture
def folder(tmp_path, kind) -> Path:
    folder = tmp_path / "events"
    folder.mkdir()
    for index in range(FILES):
        WRITERS[kind](numbers(index * ROWS, ROWS), folder / f"{index}.{kind}")
    return folder


@pytest.fixture
def source(folder, kind) -> Source:
    return source_for(Connection("exports", kind, root=folder.parent))


@contextmanager
def hammered(folder: Path, kind: str) -> Iterator[threading.Event]:
    """Add, grow, replace and delete files that were not there, some 500 times a second."""
    enough, stop = threading.Event(), threading.Event()

    def write() -> None:
        for number in count():
            new = folder / f"{number % 5}-new.{kind}"
            WRITERS[kind](numbers(10**9 + number, 1 + number % 3), part := new.with_suffix(".part"))
            part.replace(new)
            if number % 3 == 0:
                new.unlink()
            if number > CHANGES:
                enough.set()
            if stop.wait(0.001):
                return

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield enough
    finally:
        stop.set()
        writer.join()


def test_what_is_read_while_others_write_is_what_was_planned(source, folder, kind):
    split = source.split(SPEC, None, sizing(1 << 20))

    with hammered(folder, kind) as enough:
        while True:
            assert sorted(split_rows(source, split)) == list(range(FILES * ROWS))
            if enough.is_set():
                break


def test_a_planned_file_that_is_written_again_fails_the_job(source, folder, kind):
    split = source.split(SPEC, None, sizing(1 << 20))
    WRITERS[kind](numbers(3 * ROWS + 1, ROWS), folder / f"3.{kind}")

    with pytest.raises(SourceChanged):
        split_rows(source, split)


def split_rows(source: Source, split) -> list[int]:
    found: list[int] = []
    for index in range(len(split.bounds)):
        with source.read(request(SPEC, split, index)) as reading:
            found += [row for batch in reading for row in batch["id"].to_pylist()]
    return found
