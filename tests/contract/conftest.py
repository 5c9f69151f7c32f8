"""One catalog on each database that it must work on, and what tests put into it."""

from collections.abc import Iterator

import pytest

from staging.catalog import Catalog, migrate
from tests.postgres_catalog import new_database


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def catalog_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A migrated database, shared by the session's tests; each makes jobs of its own."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('catalog')}/catalog.db"
    else:
        url = new_database(request.getfixturevalue("postgres"))
    migrate(url)
    return url


@pytest.fixture
def catalog(catalog_url: str) -> Iterator[Catalog]:
    catalog = Catalog.open(catalog_url)
    yield catalog
    catalog.close()


@pytest.fixture(params=["sqlite", "postgres"])
def empty_url(request: pytest.FixtureRequest, tmp_path) -> str:
    """A database without tables, of this test alone."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/empty.db"
    return new_database(request.getfixturevalue("postgres"))


@pytest.fixture
def sqlite_url(tmp_path) -> str:
    """A migrated SQLite file of this test alone."""
    url = f"sqlite:///{tmp_path}/own.db"
    migrate(url)
    return url


@pytest.fixture
def postgres_url(postgres) -> str:
    """A migrated database in Postgres of this test alone."""
    url = new_database(postgres)
    migrate(url)
    return url
