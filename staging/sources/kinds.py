"""The table of kinds: which implementation reads which connection."""

from collections.abc import Callable, Mapping

from staging.sources.connection import Connection
from staging.sources.duckdb.duckdb_source import DuckdbSource
from staging.sources.files.csv_source import CsvSource
from staging.sources.files.json_source import JsonSource
from staging.sources.files.parquet_source import ParquetSource
from staging.sources.mysql import MysqlSource
from staging.sources.postgres import PostgresSource
from staging.sources.source import Source
from staging.sources.sqlite.sqlite_source import SqliteSource

_KINDS: Mapping[str, Callable[[Connection], Source]] = {
    "csv": CsvSource,
    "duckdb": DuckdbSource,
    "json": JsonSource,
    "mysql": MysqlSource,
    "parquet": ParquetSource,
    "postgres": PostgresSource,
    "sqlite": SqliteSource,
}


def source_for(connection: Connection) -> Source:
    """Give the source of a resolved connection."""
    return _KINDS[connection.kind](connection)
