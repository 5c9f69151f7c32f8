"""Peer: DuckDB's own COPY from Postgres to S3, two threads."""

import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import duckdb

from benchmarks.order import Order, obey, own_peak_bytes


def _extension(name: str) -> Path:
    """Find the extension in its wheel, so that nothing is downloaded."""
    package = find_spec(f"duckdb_extension_{name}")
    assert package is not None
    assert package.origin is not None
    version = f"v{duckdb.__version__}"
    return Path(package.origin).parent / "extensions" / version / f"{name}.duckdb_extension"


def copy(order: Order) -> Callable[[], int]:
    engine = duckdb.connect()
    engine.execute("SET threads = 2")
    for name in ("postgres_scanner", "httpfs"):
        engine.execute(f"LOAD '{_extension(name)}'")
    endpoint = urlsplit(order.config.endpoint)
    engine.execute(
        f"""CREATE SECRET (
            TYPE s3, KEY_ID '{os.environ["AWS_ACCESS_KEY_ID"]}',
            SECRET '{os.environ["AWS_SECRET_ACCESS_KEY"]}', REGION '{order.config.region}',
            ENDPOINT '{endpoint.netloc}', URL_STYLE 'path', USE_SSL {endpoint.scheme == "https"})"""
    )
    engine.execute(f"ATTACH '{order.dsn}' AS pg (TYPE postgres, READ_ONLY)")

    def timed() -> int:
        engine.execute(
            f"COPY (FROM pg.lineitem) TO 's3://{order.config.bucket}/{order.prefix}' "
            "(FORMAT parquet, COMPRESSION zstd, PER_THREAD_OUTPUT)"
        )
        return own_peak_bytes()

    return timed


if __name__ == "__main__":
    obey(copy)
