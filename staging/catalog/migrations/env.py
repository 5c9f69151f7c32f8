"""Alembic's entry: run the steps on the connection that staging.catalog.migrate opened."""

from alembic import context

from staging.catalog.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
