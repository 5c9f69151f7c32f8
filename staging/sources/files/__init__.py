"""Files under a registered root, a folder or a prefix in S3: Parquet, CSV, JSON lines, pinned."""
