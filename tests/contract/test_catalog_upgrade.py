"""A step of the tables only adds: rows stay as they are, and the version before goes on.

That is what lets old and new processes run side by side while the service is upgraded.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from staging.catalog import Catalog, IdempotencyKey, migrate
from staging.catalog.engine import make_engine
from staging.catalog.migrate import _STEPS
from staging.catalog.tables import metadata
from staging.core.jobs import JobState
from tests.contract.catalog_steps import NOW, a_draft, a_failure, begin, job_in, running

STEPS = [
    (str(step.down_revision), step.revision)
    for step in ScriptDirectory(str(_STEPS)).walk_revisions()
    if step.down_revision
]
Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def lived_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    """A catalog of this version with jobs in every state, and rows in every table."""
    url = f"sqlite:///{tmp_path_factory.mktemp('upgrade')}/catalog.db"
    migrate(url)
    catalog = Catalog.open(url)
    for state in JobState:
        job_in(catalog, state)
    catalog.insert_job(a_draft(), now=NOW, idempotency=IdempotencyKey("a key", "0" * 64))
    attempt, *_ = begin(catalog, running(catalog))
    later = NOW + timedelta(seconds=1)
    catalog.fail_attempt(a_failure(attempt), retry_at=later, now=NOW)
    yield catalog
    catalog.close()


def upgrade(engine: sa.Engine, revision: str) -> None:
    with engine.execution_options(is_writing=True).begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(_STEPS))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def columns(engine: sa.Engine) -> dict[str, dict[str, Any]]:
    """The columns of each table in the database, by name."""
    inspected = sa.inspect(engine)
    return {
        name: {column["name"]: column for column in inspected.get_columns(name)}
        for name in metadata.tables
        if inspected.has_table(name)
    }


def known_then(then: dict[str, dict[str, Any]]) -> list[sa.TableClause]:
    """The tables as the version of then knew them, parents first."""
    return [
        sa.table(
            table.name, *(sa.column(c.name, c.type) for c in table.c if c.name in then[table.name])
        )
        for table in metadata.sorted_tables
        if table.name in then
    ]


def read(engine: sa.Engine, tables: list[sa.TableClause]) -> Rows:
    with engine.begin() as connection:
        return {
            table.name: sorted(
                (dict(row) for row in connection.execute(sa.select(table)).mappings()), key=repr
            )
            for table in tables
        }


def write(engine: sa.Engine, tables: list[sa.TableClause], rows: Rows) -> None:
    with engine.execution_options(is_writing=True).begin() as connection:
        for table in tables:
            if rows[table.name]:
                connection.execute(sa.insert(table), rows[table.name])


def divided(rows: Rows) -> tuple[Rows, Rows]:
    """Half of the jobs with all that belongs to them, and the other half."""
    job_ids = sorted(row["job_id"] for row in rows["jobs"])
    first = set(job_ids[::2])
    return tuple(  # type: ignore[return-value]
        {
            name: [row for row in each if (row["job_id"] in first) is is_first]
            for name, each in rows.items()
        }
        for is_first in (True, False)
    )


@pytest.mark.parametrize(("before", "after"), STEPS)
def test_rows_survive_a_step_and_the_version_before_still_reads_and_writes(
    empty_url, lived_in, before, after
):
    engine = make_engine(empty_url)
    upgrade(engine, before)
    old = known_then(columns(engine))
    rows = read(lived_in._engine, old)
    assert [name for name, each in rows.items() if not each] == []
    first, second = divided(rows)
    write(engine, old, first)

    upgrade(engine, after)

    assert read(engine, old) == first
    write(engine, old, second)
    assert read(engine, old) == rows
    engine.dispose()


@pytest.mark.parametrize(("before", "after"), STEPS)
def test_a_step_takes_nothing_away_that_the_version_before_uses(empty_url, before, after):
    engine = make_engine(empty_url)
    upgrade(engine, before)
    old = columns(engine)
    upgrade(engine, after)
    new = columns(engine)
    engine.dispose()

    for table, named in old.items():
        for name, column in named.items():
            assert str(new[table][name]["type"]) == str(column["type"]), (table, name)
            assert new[table][name]["nullable"] or not column["nullable"], (table, name)
        for name in set(new[table]) - set(named):
            column = new[table][name]
            assert column["nullable"] or column["default"] is not None, (table, name)


def test_the_jobs_of_the_first_version_are_read_by_this_one(empty_url, lived_in):
    engine = make_engine(empty_url)
    upgrade(engine, STEPS[-1][0])
    old = known_then(columns(engine))
    write(engine, old, read(lived_in._engine, old))
    engine.dispose()

    migrate(empty_url)

    catalog = Catalog.open(empty_url)
    for job in lived_in.list_jobs(1, limit=100):
        assert catalog.job(1, job.job_id) == job
        assert catalog.chunks(1, job.job_id, since_index=0, limit=9) == lived_in.chunks(
            1, job.job_id, since_index=0, limit=9
        )
    catalog.close()


def test_the_tables_of_a_later_version_are_taken_as_they_are(empty_url):
    migrate(empty_url)
    engine = make_engine(empty_url)
    with engine.execution_options(is_writing=True).begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()

    catalog = Catalog.open(empty_url)
    assert catalog.is_current() is True
    migrate(empty_url)
    assert catalog.insert_job(a_draft(), now=NOW).job.state is JobState.PENDING
    catalog.close()
