"""Decode the row groups of a file that is still arriving, some at once, in order."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pyarrow as pa
import pyarrow.parquet as pq

from flight_server.fetch import Arrival
from staging.storage.decode import decoded_group, end_of_group

_GROUPS = 2
"""Row groups of one chunk that are decoded, or wait to be taken, at once."""


def decoded_ahead(
    arrival: Arrival, metadata: pq.FileMetaData, schema: pa.Schema, pool: ThreadPoolExecutor
) -> Iterator[pa.RecordBatch]:
    """Give the rows in order, each batch of exactly the schema, as soon as they can be had.

    A thread of the pool decodes a row group by itself: that keeps all cores busy, where the threads
    of one reader wait for each other at every batch.
    Raises what Arrival.wait_for raises, and pa.ArrowException or OSError for what is no Parquet.
    """

    def decode(group: int) -> list[pa.RecordBatch]:
        # A reader is for one thread.
        parquet = pq.ParquetFile(arrival.file(), metadata=metadata, page_checksum_verification=True)
        return decoded_group(parquet, group, schema)

    pending: deque[Future[list[pa.RecordBatch]]] = deque()
    try:
        for group in range(metadata.num_row_groups):
            end = end_of_group(metadata, group)
            while pending and (len(pending) == _GROUPS or not arrival.has(end)):
                yield from pending.popleft().result()
            arrival.wait_for(end)
            pending.append(pool.submit(decode, group))
        while pending:
            yield from pending.popleft().result()
    finally:
        for each in pending:
            each.cancel()
