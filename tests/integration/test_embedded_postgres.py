"""The throw-away Postgres of the demo, the tests and the benchmarks."""

import os
import tempfile
from pathlib import Path

import psutil
import psycopg
import pytest

from staging.local import postgres as embedded
from staging.local.postgres import EmbeddedPostgres, temporary_postgres


@pytest.fixture
def folder():
    with tempfile.TemporaryDirectory(prefix="staging-postgres-") as name:
        Path(name).chmod(0o711)
        yield Path(name)


def answer(dsn: str, query: str = "SELECT 1") -> object:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(query).fetchone()
    return row and row[0]


def test_a_role_needs_its_password_and_the_owner_none(postgres):
    with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
        connection.execute("CREATE ROLE guest LOGIN PASSWORD 'secret'")

    assert answer(postgres.dsn()) == 1
    assert answer(postgres.dsn(user="guest", password="secret")) == 1
    for password in (None, "wrong"):
        with pytest.raises(psycopg.OperationalError, match="password"):
            answer(postgres.dsn(user="guest", password=password))


def test_it_listens_on_the_loopback_only(postgres):
    process = psutil.Process(postgres.child.pid)

    listening = {each.laddr for each in process.net_connections() if each.status == "LISTEN"}

    assert listening == {("127.0.0.1", postgres.port)}


def test_rows_outlive_a_stop_and_processes_do_not(folder):
    first = EmbeddedPostgres.start(folder / "postgres")
    with psycopg.connect(first.dsn()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS value")
    processes = [*psutil.Process(first.child.guard.pid).children(recursive=True)]

    first.stop()

    assert psutil.wait_procs(processes, timeout=20)[1] == []
    again = EmbeddedPostgres.start(folder / "postgres")
    assert answer(again.dsn(), "SELECT value FROM kept") == 42
    again.stop()


def test_a_temporary_one_leaves_no_folder():
    with temporary_postgres() as server:
        assert answer(server.dsn()) == 1

    assert not server.folder.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root must give up its rights")
def test_programs_that_its_user_cannot_reach_are_copied(folder, monkeypatch):
    reach = embedded._can_enter
    monkeypatch.setattr(
        embedded, "_can_enter", lambda p: "site-packages" not in str(p) and reach(p)
    )

    server = EmbeddedPostgres.start(folder / "postgres")

    assert Path(psutil.Process(server.child.pid).exe()).is_relative_to(folder)
    assert answer(server.dsn()) == 1
    server.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root must give up its rights")
def test_a_folder_that_its_user_cannot_enter_is_refused(tmp_path):
    tmp_path.chmod(0o700)

    with pytest.raises(PermissionError, match="only root may enter"):
        EmbeddedPostgres.start(tmp_path / "postgres")
