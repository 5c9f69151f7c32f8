"""The same small table in every kind of source."""

import csv
import json
import sqlite3
import uuid
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, write_deltalake

from staging.core.source_spec import Filter, SourceSpec
from staging.sources.connection import Connection
from staging.sources.kinds import source_for
from staging.sources.source import Source
from staging.storage.config import StoreConfig
from tests.buckets import new_root
from tests.firebird_file import FirebirdFile
from tests.iceberg_lake import Lake
from tests.integration.mysql_database import connection_to as mysql_connection
from tests.mariadb import MariaDb

ROWS = 2_000
ODD_NAME = 'a"; DROP TABLE x; -- `☃'  # MySQL's names end at U+FFFF
COLUMNS = ("id", "name", "ratio", ODD_NAME)


@dataclass(frozen=True)
class Kind:
    """A source that holds `rows()` as `things`, and nothing as `empty`."""

    source: Source
    things: SourceSpec
    empty: SourceSpec
    misspelt: SourceSpec
    pointer: str

    def asking(self, **changes: object) -> SourceSpec:
        return replace(self.things, **changes)


def rows() -> pa.Table:
    numbers = range(1, ROWS + 1)
    return pa.table(
        {
            "id": pa.array(numbers, pa.int64()),
            "name": [None if n % 7 == 0 else f"näme {n % 50}%_\\" for n in numbers],
            "ratio": [None if n % 11 == 0 else n / 7 for n in numbers],
            ODD_NAME: [f"line\n'{n}' \"q\", ünï 🎈" for n in numbers],
        }
    )


def postgres(dsn: str) -> Kind:
    schema = f"kind_{uuid.uuid4().hex[:8]}"
    odd = ODD_NAME.replace('"', '""')
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
        for name in ("things", "empty"):
            connection.execute(
                f'CREATE TABLE {schema}.{name} (id bigint, name text, ratio float8, "{odd}" text)'
            )
        with connection.cursor().copy(f"COPY {schema}.things FROM STDIN") as copy:
            for row in zip(*rows().to_pydict().values(), strict=True):
                copy.write_row(row)
    things = SourceSpec("shelf", table=f"{schema}.things")
    return Kind(
        source_for(connection_to(dsn)),
        things,
        replace(things, table=f"{schema}.empty"),
        replace(things, table=f"{schema}.thigns"),
        "#/source/table",
    )


def connection_to(dsn: str, **changes: object) -> Connection:
    info = psycopg.conninfo.conninfo_to_dict(dsn)
    connection = Connection(
        "shelf",
        "postgres",
        host=str(info["host"]),
        port=int(info["port"]),
        database=str(info["dbname"]),
        user=str(info["user"]),
        secret=info.get("password"),
    )
    return replace(connection, **changes)


def sqlite(folder: Path) -> Kind:
    odd = ODD_NAME.replace('"', '""')
    with sqlite3.connect(folder / "shelf.db") as database:
        for name in ("things", "empty"):
            database.execute(
                f'CREATE TABLE {name} (id INTEGER PRIMARY KEY, name TEXT, ratio REAL, "{odd}" TEXT)'
            )
        values = zip(*rows().to_pydict().values(), strict=True)
        database.executemany("INSERT INTO things VALUES (?, ?, ?, ?)", values)
    things = SourceSpec("shelf", table="things")
    return Kind(
        source_for(Connection("shelf", "sqlite", path=folder / "shelf.db")),
        things,
        replace(things, table="empty"),
        replace(things, table="thigns"),
        "#/source/table",
    )


def duckdb_file(folder: Path) -> Kind:
    odd = ODD_NAME.replace('"', '""')
    with duckdb.connect(str(folder / "shelf.duckdb")) as database:
        for name in ("things", "empty"):
            database.execute(
                f'CREATE TABLE {name} (id BIGINT, name VARCHAR, ratio DOUBLE, "{odd}" VARCHAR)'
            )
        every = rows()
        database.register("every", every)
        database.execute("INSERT INTO things SELECT * FROM every")
    things = SourceSpec("shelf", table="things")
    return Kind(
        source_for(Connection("shelf", "duckdb", path=folder / "shelf.duckdb")),
        things,
        replace(things, table="empty"),
        replace(things, table="thigns"),
        "#/source/table",
    )


def mysql(server: MariaDb) -> Kind:
    database = f"kind_{uuid.uuid4().hex[:8]}"
    odd = ODD_NAME.replace("`", "``")
    with server.connect() as root, root.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {database} CHARACTER SET utf8mb4")
        for name in ("things", "empty"):
            cursor.execute(
                f"CREATE TABLE {database}.{name} (id bigint primary key, name varchar(50),"
                f" ratio double, `{odd}` text)"
            )
        values = zip(*rows().to_pydict().values(), strict=True)
        cursor.executemany(f"INSERT INTO {database}.things VALUES (%s, %s, %s, %s)", list(values))
    things = SourceSpec("shelf", table="things")
    return Kind(
        source_for(mysql_connection(server, database)),
        things,
        replace(things, table="empty"),
        replace(things, table="thigns"),
        "#/source/table",
    )


def parquet(folder: Path) -> Kind:
    (folder / "things").mkdir()
    table = rows()
    pq.write_table(table.slice(0, 700), folder / "things" / "a.parquet")
    pq.write_table(table.slice(700), folder / "things" / "b.parquet", row_group_size=200)
    pq.write_table(table.schema.empty_table(), folder / "empty.parquet")
    return _files(folder, "parquet")


def sqlalchemy(folder: Path) -> Kind:
    database = FirebirdFile(folder / "shelf.fdb")
    odd = ODD_NAME.replace('"', '""')
    columns = f'"id" bigint, "name" varchar(50), "ratio" double precision, "{odd}" varchar(99)'
    database.run(*(f'CREATE TABLE "{name}" ({columns})' for name in ("things", "empty")))
    values = zip(*rows().to_pydict().values(), strict=True)
    database.insert('INSERT INTO "things" VALUES (?, ?, ?, ?)', values)
    things = SourceSpec("shelf", table="things")
    return Kind(
        source_for(database.connection),
        things,
        replace(things, table="empty"),
        replace(things, table="thigns"),
        "#/source/table",
    )


def delta(folder: Path) -> Kind:
    write_deltalake(folder / "things", rows().slice(0, 700))
    write_deltalake(folder / "things", rows().slice(700), mode="append")
    write_deltalake(folder / "empty", rows().slice(0, 1))
    DeltaTable(folder / "empty").delete()
    kind = _files(folder, "delta")
    return replace(
        kind,
        empty=replace(kind.things, path="empty"),
        misspelt=replace(kind.things, path="thigns"),
    )


def iceberg(folder: Path) -> Kind:
    lake = Lake(folder)
    things = lake.create("shop.things", rows().slice(0, 700))
    things.append(rows().slice(700))
    lake.create("shop.empty", rows().slice(0, 1)).delete()
    asked = SourceSpec("shelf", table="shop.things")
    return Kind(
        source_for(lake.connection),
        asked,
        replace(asked, table="shop.empty"),
        replace(asked, table="shop.thigns"),
        "#/source/table",
    )


def csv_files(folder: Path) -> Kind:
    (folder / "things").mkdir()
    table = rows()
    for name, part in (("a", table.slice(0, 700)), ("b", table.slice(700))):
        _write_csv(folder / "things" / f"{name}.csv", part)
    _write_csv(folder / "empty.csv", table.schema.empty_table())
    return _files(folder, "csv")


def json_lines(folder: Path) -> Kind:
    (folder / "things").mkdir()
    table = rows()
    for name, part in (("a", table.slice(0, 700)), ("b", table.slice(700))):
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in part.to_pylist())
        (folder / "things" / f"{name}.json").write_text("".join(lines))
    kind = _files(folder, "json")
    nothing = replace(kind.things, filters=(Filter("id", "=", -1),))  # no line, no members
    return replace(kind, empty=nothing)


def in_s3(kind: Kind, name: str, folder: Path, store: StoreConfig) -> Kind:
    """Put the files of a kind in a bucket, and read them there."""
    root = new_root(store)
    root.upload(folder)
    return replace(kind, source=root.source(name))


def _files(folder: Path, kind: str) -> Kind:
    things = SourceSpec("shelf", path="things")
    return Kind(
        source_for(Connection("shelf", kind, root=folder)),
        things,
        replace(things, path=f"empty.{kind}"),
        replace(things, path=f"things/c.{kind}"),
        "#/source/path",
    )


def _write_csv(path: Path, table: pa.Table) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(table.column_names)
        writer.writerows(zip(*table.to_pydict().values(), strict=True))
