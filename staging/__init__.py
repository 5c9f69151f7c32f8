"""What a job, a partition and a chunk are, and the four things outside."""
