"""File sources for tests: the same small table in every format, and its rows."""

import datetime
import json
import sqlite3
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from deltalake import write_deltalake

from staging.local.seaweed import BUCKET
from staging.sources.registry_edit import add_connection
from staging.storage.config import StoreConfig
from tests.buckets import new_root
from tests.firebird_file import FirebirdFile
from tests.iceberg_lake import Lake

_ROWS = 5_000
_PREFIX = "shelves"


def table() -> pa.Table:
    """Rows whose every value each of the formats can hold."""
    numbers = range(1, _ROWS + 1)
    return pa.table(
        {
            "id": pa.array(numbers, pa.int64()),
            "name": [f"name {n} ünï" for n in numbers],
            "ratio": [n / 7 for n in numbers],
        }
    )


def fill(root: Path, store: StoreConfig) -> dict[str, tuple[dict[str, Any], pa.Table]]:
    """Write the files below a folder; return the source and the expected rows of each kind.

    The Parquet files are put in a bucket too, whose keys are written beside.
    """
    rows = table()
    dated = rows.append_column(
        "day", pa.array([datetime.date(2000, 1, 1 + n % 28) for n in range(_ROWS)])
    )
    for name in ("parquet", "csv", "json"):
        (root / name).mkdir()
    with sqlite3.connect(root / "shelf.db") as database:
        database.execute("CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT, ratio REAL)")
        database.executemany(
            "INSERT INTO things VALUES (?, ?, ?)", zip(*rows.to_pydict().values(), strict=True)
        )
    with duckdb.connect(str(root / "shelf.duckdb")) as engine:
        engine.register("dated", dated)
        engine.execute("CREATE TABLE things AS SELECT * FROM dated")
    half = _ROWS // 2
    write_deltalake(root / "lake" / "things", dated.slice(0, half))
    write_deltalake(root / "lake" / "things", dated.slice(half), mode="append")
    (root / "warehouse").mkdir()
    Lake(root / "warehouse").create("shop.things", dated.slice(0, half)).append(dated.slice(half))
    pq.write_table(dated.slice(0, half), root / "parquet" / "a.parquet")
    pq.write_table(dated.slice(half), root / "parquet" / "b.parquet", row_group_size=500)
    pa.csv.write_csv(dated, root / "csv" / "things.csv")
    lines = "".join(json.dumps(row) + "\n" for row in rows.to_pylist())
    (root / "json" / "things.jsonl").write_text(lines)
    bucket = new_root(store, prefix=_PREFIX)
    bucket.upload(root / "parquet")
    for name, key in zip(("shelf.id", "shelf.secret"), bucket.place.keys, strict=True):
        (root / name).write_text(key)
    return {
        "sqlite": ({"connection": "shelf_sqlite", "table": "things"}, rows),
        "duckdb": ({"connection": "shelf_duckdb", "table": "things"}, dated),
        "delta": ({"connection": "shelf_delta", "path": "things", "version": 1}, dated),
        "iceberg": ({"connection": "shelf_iceberg", "table": "shop.things"}, dated),
        "parquet": ({"connection": "shelf_parquet", "path": "*.parquet"}, dated),
        "parquet-s3": ({"connection": "shelf_s3", "path": "*.parquet"}, dated),
        "csv": ({"connection": "shelf_csv", "path": "things.csv"}, dated),
        "json": ({"connection": "shelf_json", "path": "things.jsonl"}, rows),
    }


def fill_firebird(root: Path) -> tuple[dict[str, Any], pa.Table]:
    """Write a table of a database that has no kind of its own; its source, its rows."""
    rows = table()
    database = FirebirdFile(root / "shelf.fdb")
    database.run(
        'CREATE TABLE "things" ("id" BIGINT, "name" VARCHAR(50), "ratio" DOUBLE PRECISION)'
    )
    values = zip(*rows.to_pydict().values(), strict=True)
    database.insert('INSERT INTO "things" VALUES (?, ?, ?)', values)
    add_connection(root / "connections.toml", "shelf_firebird", database.fields)
    return {"connection": "shelf_firebird", "table": "things"}, rows


CONNECTIONS = f"""
[connections.shelf_sqlite]
kind = "sqlite"
path = "shelf.db"

[connections.shelf_duckdb]
kind = "duckdb"
path = "shelf.duckdb"

[connections.shelf_delta]
kind = "delta"
root = "lake"

[connections.shelf_iceberg]
kind = "iceberg"
root = "warehouse"
catalog = "warehouse/catalog.db"

[connections.shelf_parquet]
kind = "parquet"
root = "parquet"

[connections.shelf_s3]
kind = "parquet"
root = "s3://{BUCKET}/{_PREFIX}"
endpoint = "{{endpoint}}"
access_key_id = "file:shelf.id"
secret_access_key = "file:shelf.secret"

[connections.shelf_csv]
kind = "csv"
root = "csv"

[connections.shelf_json]
kind = "json"
root = "json"
"""
