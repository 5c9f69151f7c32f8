"""The sources a job may read: each kind describes, splits, and reads record batches."""
