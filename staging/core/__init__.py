"""The rules of staging: what a job, a partition and a chunk are.  Standard library only."""
