"""Bring a database to the tables that this version of the service wants."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from staging.catalog.database import Database

_STEPS = Path(__file__).parent / "migrations"
_PATIENCE = sa.text("SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0")
_LOCK = sa.text("SELECT pg_advisory_xact_lock(hashtextextended('staging migration', 0))")


class Migrations(Database):
    """Know and raise the version of the tables."""

    def is_current(self) -> bool:
        """Tell whether the tables have all that this version of the service wants.

        Those of a later version have: its steps only add, until no older version runs any more.
        """
        with self._reading() as connection:
            return not _steps_missing(connection)

    def migrate(self) -> None:
        """Run the steps that are missing, all in one transaction; one process at a time."""
        with self._writing() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(_PATIENCE)
                connection.execute(_LOCK)
            if not _steps_missing(connection):
                return
            config = Config()
            config.set_main_option("script_location", str(_STEPS).replace("%", "%%"))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")


def _steps_missing(connection: sa.Connection) -> bool:
    found = MigrationContext.configure(connection).get_current_revision()
    steps = ScriptDirectory(str(_STEPS))
    known = {step.revision for step in steps.walk_revisions()}
    return found is None or (found in known and found != steps.get_current_head())


def migrate(url: str) -> None:
    """Bring the catalog at a URL up to date; safe to run twice, and twice at once.

    Raises CatalogUnavailable.
    """
    migrations = Migrations.open(url)
    try:
        migrations.migrate()
    finally:
        migrations.close()
