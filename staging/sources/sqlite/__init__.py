"""SQLite: one reader, one read transaction."""
