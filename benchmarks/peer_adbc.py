"""Peer: ADBC in two processes, half of the pages each, pyarrow's writer, boto3."""

import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import adbc_driver_postgresql.dbapi as adbc
import pyarrow.parquet as pq

from benchmarks.order import Order, obey, own_peak_bytes

_HALVES = ("ctid < '({middle},0)'::tid", "ctid >= '({middle},0)'::tid")


def read_write_upload(order: Order) -> Callable[[], int]:
    with adbc.connect(order.dsn) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_relation_size('lineitem') / 8192 / 2")
        (middle,) = cursor.fetchone()
    pool = ProcessPoolExecutor(2, mp_context=get_context("spawn"))
    list(pool.map(abs, range(8)))  # both processes are up and have imported this file

    def timed() -> int:
        halves = [half.format(middle=middle) for half in _HALVES]
        return max(pool.map(_half, [order] * 2, halves))

    return timed


def _half(order: Order, condition: str) -> int:
    with (
        tempfile.TemporaryDirectory() as folder,
        adbc.connect(order.dsn) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(f"SELECT * FROM lineitem WHERE {condition}")
        file = Path(folder) / f"{abs(hash(condition))}.parquet"
        batches = cursor.fetch_record_batch()
        with pq.ParquetWriter(
            file, batches.schema, compression="zstd", compression_level=1
        ) as writer:
            for batch in batches:
                writer.write_batch(batch)
        order.upload(order.client(), file, file.name)
    return own_peak_bytes()


if __name__ == "__main__":
    obey(read_write_upload)
