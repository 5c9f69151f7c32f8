"""The catalog's tables, transactions and failures are the same on each database."""

import sqlite3
import subprocess
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from staging.catalog import Catalog, migrate
from staging.catalog.tables import metadata
from staging.core.errors import CatalogUnavailable
from tests.contract.catalog_steps import NOW, a_draft, a_receipt, begin, running

MIGRATE = "import sys; from staging.catalog import migrate; migrate(sys.argv[1])"


def test_a_database_is_current_after_it_is_migrated(empty_url):
    catalog = Catalog.open(empty_url)
    assert catalog.is_current() is False
    migrate(empty_url)
    assert catalog.is_current() is True
    migrate(empty_url)
    assert catalog.is_current() is True
    catalog.check()
    catalog.close()


def test_processes_that_migrate_at_once_all_succeed(empty_url):
    processes = [
        subprocess.Popen([sys.executable, "-c", MIGRATE, empty_url], stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    ends = [(process.communicate(timeout=60)[1], process.returncode) for process in processes]
    assert [code for _, code in ends] == [0, 0, 0], ends
    catalog = Catalog.open(empty_url)
    assert catalog.is_current() is True
    catalog.close()


def test_the_migrations_lead_to_the_tables(catalog):
    with catalog._reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        inspected = sa.inspect(connection)
        for table in metadata.tables.values():
            names = {index["name"] for index in inspected.get_indexes(table.name)}
            assert {index.name for index in table.indexes} <= names


def test_a_migration_that_fails_leaves_the_database_as_it_was(empty_url):
    catalog = Catalog.open(empty_url)
    with catalog._writing() as connection:
        connection.execute(sa.text("CREATE TABLE events (n INTEGER)"))  # the last table to be made
    with pytest.raises((CatalogUnavailable, sa.exc.ProgrammingError)):
        migrate(empty_url)
    with catalog._reading() as connection:
        assert sa.inspect(connection).get_table_names() == ["events"]
    catalog.close()


def test_the_url_may_be_without_a_driver(catalog_url):
    for url in {catalog_url, catalog_url.replace("postgresql:", "postgresql+psycopg:")}:
        catalog = Catalog.open(url)
        catalog.check()
        catalog.close()


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////nowhere/at/all/catalog.db",
        "postgresql://someone:hidden@127.0.0.1:1/catalog",
    ],
)
def test_a_database_that_cannot_be_reached_is_unavailable_and_stays_unnamed(url):
    catalog = Catalog.open(url)
    for call in (catalog.check, catalog.is_current, lambda: catalog.take_term(ID, now=NOW)):
        with pytest.raises(CatalogUnavailable) as unavailable:
            call()
        assert unavailable.value.__cause__ is not None
        shown = "".join(traceback.format_exception(unavailable.value))
        assert "hidden" not in shown
        assert unavailable.value.detail == "The catalog does not answer or cannot be written."


ID = "018f2d6c-5c58-7b0e-9a55-0d6f3f6b7a01"


def test_a_full_disk_is_unavailable_and_loses_nothing(sqlite_url):
    catalog = Catalog.open(sqlite_url)
    kept = catalog.insert_job(a_draft(), now=NOW).job
    with catalog._reading() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")

    big = replace(a_draft(), name="x" * 1_000_000)
    with pytest.raises(CatalogUnavailable):
        catalog.insert_job(big, now=NOW)
    assert catalog.job(1, kept.job_id) == kept
    with catalog._reading() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count=100000")
    catalog.start_job(kept.job_id, now=NOW)
    catalog.close()


def test_a_catalog_that_another_process_locks_is_unavailable_and_recovers(sqlite_url, monkeypatch):
    monkeypatch.setattr("staging.catalog.engine.BUSY_SECONDS", 0.1)
    catalog = Catalog.open(sqlite_url)
    job_id = running(catalog)
    other = sqlite3.connect(sa.make_url(sqlite_url).database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(CatalogUnavailable):
        catalog.take_term(job_id, now=NOW)
    assert catalog.job(1, job_id).job_id == job_id
    other.execute("ROLLBACK")
    other.close()
    assert catalog.take_term(job_id, now=NOW) == 1
    catalog.close()


def test_a_writer_waits_for_another_of_its_process_and_not_for_ever(sqlite_url, monkeypatch):
    monkeypatch.setattr("staging.catalog.database.BUSY_SECONDS", 0.1)
    catalog = Catalog.open(sqlite_url)
    job_id = running(catalog)
    with catalog._writing(), ThreadPoolExecutor(1) as other:
        with pytest.raises(CatalogUnavailable):
            other.submit(catalog.take_term, job_id, now=NOW).result()
        assert other.submit(catalog.job, 1, job_id).result().job_id == job_id
    assert catalog.take_term(job_id, now=NOW) == 1
    catalog.close()


def test_connections_that_the_server_closed_are_replaced(postgres, postgres_url):
    catalog = Catalog.open(postgres_url)
    job_id = running(catalog)
    (attempt,) = begin(catalog, job_id, limit=1)
    with psycopg.connect(postgres.dsn(), autocommit=True) as server:
        server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = %s AND pid <> pg_backend_pid()",
            (sa.make_url(postgres_url).database,),
        )
    assert catalog.publish_partition(a_receipt(attempt, 5), now=NOW) == 1
    catalog.close()


def test_a_connection_lost_in_a_transaction_is_unavailable_and_nothing_is_written(
    postgres, postgres_url
):
    catalog = Catalog.open(postgres_url)
    kept = catalog.insert_job(a_draft(), now=NOW).job

    def close_own_connection(connection, *_):
        pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        with psycopg.connect(postgres.dsn(), autocommit=True) as server:
            server.execute("SELECT pg_terminate_backend(%s)", (pid,))

    sa.event.listen(catalog._engine, "commit", close_own_connection)
    with pytest.raises(CatalogUnavailable):
        catalog.start_job(kept.job_id, now=NOW)
    sa.event.remove(catalog._engine, "commit", close_own_connection)
    assert catalog.job(1, kept.job_id) == kept
    assert catalog.start_job(kept.job_id, now=NOW).started_at == NOW
    catalog.close()


def test_one_catalog_is_shared_by_threads(catalog):
    job_ids = [running(catalog) for _ in range(4)]
    found = []

    def read(job_id):
        found.extend(catalog.job(1, job_id).job_id for _ in range(20))

    threads = [threading.Thread(target=read, args=(job_id,)) for job_id in job_ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == sorted(job_ids * 20)


def test_staging_and_deleting_use_indexes(sqlite_url):
    catalog = Catalog.open(sqlite_url)
    job_id = running(catalog, partitions=50)
    statements = []

    def remember(_connection, _cursor, statement, parameters, _context, many):
        if not many and statement.startswith(("SELECT", "UPDATE", "DELETE")):
            statements.append((statement, parameters))

    sa.event.listen(catalog._engine, "before_cursor_execute", remember)
    receipt = a_receipt(begin(catalog, job_id)[0], 5)
    catalog.publish_partition(receipt, now=NOW)
    catalog.take_term(job_id, now=NOW)
    catalog.acknowledge_chunk(1, job_id, "0", consumer="default", sha256=None, now=NOW)
    catalog.undeleted_chunks(job_id, limit=2)
    catalog.garbage_keys([chunk.key for chunk in receipt.chunks], now=NOW, grace=NOW - NOW)
    sa.event.remove(catalog._engine, "before_cursor_execute", remember)

    assert len(statements) > 15
    for statement, parameters in statements:
        steps = plan_of(catalog, statement, parameters)
        assert not [step for step in steps if step.startswith("SCAN")], (statement, steps)
    waiting = [plan_of(catalog, *each) for each in statements if "'waiting'" in each[0]]
    assert waiting[0] == ["SEARCH partitions USING INDEX partitions_waiting (job_id=?)"]
    catalog.close()


def plan_of(catalog, statement, parameters):
    with catalog._reading() as connection:
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        return [row.detail for row in rows]
