"""The bucket: put an object once, sign its link, delete it; and Parquet files from record batches."""
