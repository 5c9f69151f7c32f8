"""Delta Lake tables as a source."""
