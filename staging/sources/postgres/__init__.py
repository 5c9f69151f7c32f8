"""Postgres: page ranges of one exported snapshot, read by DuckDB."""

from staging.sources.postgres.postgres_source import PostgresSource

__all__ = ["PostgresSource"]
