"""Files under a registered root: Parquet and CSV, pinned by size and time."""
