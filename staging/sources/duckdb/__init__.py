"""DuckDB files as a source."""
