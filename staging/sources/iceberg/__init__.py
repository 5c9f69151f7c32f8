"""Apache Iceberg tables as a source."""
