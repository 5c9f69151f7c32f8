"""The bucket: put an object once, sign its link, delete it; Parquet files from batches."""
