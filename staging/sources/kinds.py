"""The table of kinds: which implementation reads which connection."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import cast

from staging.sources.connection import Connection
from staging.sources.source import Source

_KINDS: Mapping[str, tuple[str, str]] = {
    "csv": ("staging.sources.files.csv_source", "CsvSource"),
    "delta": ("staging.sources.delta.delta_source", "DeltaSource"),
    "duckdb": ("staging.sources.duckdb.duckdb_source", "DuckdbSource"),
    "iceberg": ("staging.sources.iceberg.iceberg_source", "IcebergSource"),
    "json": ("staging.sources.files.json_source", "JsonSource"),
    "mysql": ("staging.sources.mysql", "MysqlSource"),
    "parquet": ("staging.sources.files.parquet_source", "ParquetSource"),
    "postgres": ("staging.sources.postgres", "PostgresSource"),
    "sqlalchemy": ("staging.sources.sqlalchemy.sqlalchemy_source", "SqlalchemySource"),
    "sqlite": ("staging.sources.sqlite.sqlite_source", "SqliteSource"),
}
"""Module and class of each kind.

A kind is imported when it is first used: each brings libraries of its own, and an extraction task
has the memory of all that its process ever imported.
"""


def source_for(connection: Connection) -> Source:
    """Give the source of a resolved connection."""
    module, name = _KINDS[connection.kind]
    kind = cast(Callable[[Connection], Source], getattr(import_module(module), name))
    return kind(connection)
