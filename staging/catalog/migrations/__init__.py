"""The steps by which Alembic brings a database to the catalog's tables."""
