"""Peer: ConnectorX in two partitions, pyarrow's writer, boto3."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import connectorx
import pyarrow.parquet as pq

from benchmarks.order import Order, obey, own_peak_bytes


def read_write_upload(order: Order) -> Callable[[], int]:
    client = order.client()

    def timed() -> int:
        table = connectorx.read_sql(
            order.dsn,
            "SELECT * FROM lineitem",
            partition_on="l_orderkey",
            partition_num=2,
            return_type="arrow",
        )
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "0.parquet"
            pq.write_table(table, file, compression="zstd", compression_level=1)
            order.upload(client, file, file.name)
        return own_peak_bytes()

    return timed


if __name__ == "__main__":
    obey(read_write_upload)
