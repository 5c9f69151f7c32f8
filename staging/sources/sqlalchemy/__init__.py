"""Any database that has a SQLAlchemy dialect as a source."""
