"""The operations, one file a noun: jobs, chunks, connections, the service itself."""
