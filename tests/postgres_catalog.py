"""Databases for catalogs in a Postgres, and what keeps one from being written."""

import os
import uuid

import psycopg

from staging.local.postgres import EmbeddedPostgres

IS_ASKED_FOR = os.environ.get("STAGING_TEST_CATALOG") == "postgres"
"""Whether the stack of the tests has its catalog in Postgres: `make test-postgres`."""

_IN_THE_WAY = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
AND (state LIKE 'idle in transaction%' OR state = 'active')
"""


def new_database(server: EmbeddedPostgres) -> str:
    """Create a database of a random name in a Postgres and give its URL."""
    name = f"catalog_{uuid.uuid4().hex}"
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return server.dsn(name)


def may_be_written(url: str) -> bool:
    """Tell whether no transaction is open in the catalog now."""
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute(_IN_THE_WAY).fetchone()
        return found == (0,)
