"""What is read crosses to the writer's thread whole, in order, one batch ahead."""

import threading
from collections.abc import Iterator

import pyarrow as pa
import pytest

from cluster.write_behind import write_behind

_SECONDS = 10


def _batch(number: int) -> pa.RecordBatch:
    return pa.record_batch({"number": [number]})


def _numbers(batches: Iterator[pa.RecordBatch]) -> list[int]:
    return [batch["number"][0].as_py() for batch in batches]


@pytest.mark.parametrize("count", [0, 1, 2, 100])
def test_every_batch_crosses_once_and_in_order(count: int):
    assert write_behind(map(_batch, range(count)), _numbers) == list(range(count))


def test_the_next_batch_is_read_while_one_is_written_and_no_more():
    read, may_write = [], threading.Event()

    def batches() -> Iterator[pa.RecordBatch]:
        for number in range(4):
            read.append(number)
            if number == 1:
                may_write.set()
            yield _batch(number)

    def write(taken: Iterator[pa.RecordBatch]) -> list[int]:
        first = next(taken)
        assert may_write.wait(_SECONDS), "the reader waits for the writer"
        seen = list(read)
        return [first["number"][0].as_py(), *_numbers(taken), len(seen)]

    assert write_behind(batches(), write) == [0, 1, 2, 3, 2]


def test_an_error_of_the_reader_ends_the_writer_before_it_is_raised():
    ended = threading.Event()

    def batches() -> Iterator[pa.RecordBatch]:
        yield _batch(0)
        raise ValueError("read")

    def write(taken: Iterator[pa.RecordBatch]) -> list[int]:
        try:
            return _numbers(taken)
        finally:
            ended.set()

    with pytest.raises(ValueError, match=r"^read$"):
        write_behind(batches(), write)
    assert ended.is_set()


def test_an_error_of_the_writer_ends_the_reading():
    read = []

    def batches() -> Iterator[pa.RecordBatch]:
        for number in range(1_000_000):
            read.append(number)
            yield _batch(number)

    def write(taken: Iterator[pa.RecordBatch]) -> None:
        next(taken)
        raise OSError("write")

    with pytest.raises(OSError, match=r"^write$"):
        write_behind(batches(), write)
    assert len(read) < 10


def test_no_thread_stays():
    before = threading.active_count()
    write_behind(map(_batch, range(3)), _numbers)
    assert threading.active_count() == before
