"""`staging connections`: the file it edits, what it says, exit codes."""

import json
import os
import sqlite3
import subprocess
import sys
import tomllib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from staging.local.ports import free_port
from tests.buckets import new_root

STAGING = str(Path(sys.executable).with_name("staging"))
POSTGRES = ["--kind", "postgres", "--host", "127.0.0.1", "--database", "tpch", "--user", "reader"]


@pytest.fixture
def file(tmp_path) -> Path:
    return tmp_path / "registry" / "connections.toml"


@pytest.fixture
def connections(tmp_path, file):
    """Run `staging connections` in a folder of its own."""

    def run(*words: object, **more: str) -> subprocess.CompletedProcess[str]:
        given = {**os.environ, "STAGING_CONNECTIONS": str(file), **more}
        return subprocess.run(
            [STAGING, "connections", *map(str, words)],
            cwd=tmp_path, env=given, capture_output=True, text=True, timeout=180, check=False,
        )  # fmt: skip

    return run


def test_the_path_of_a_secret_starts_where_the_command_is_typed(connections, file, tmp_path):
    connections("add", "warehouse", *POSTGRES, "--password", "file:secrets/warehouse")

    written = tomllib.loads(file.read_text())["connections"]["warehouse"]["password"]
    assert written == f"file:{tmp_path}/secrets/warehouse"


def test_what_is_added_is_written_as_the_contract_has_it(connections, file):
    done = connections(
        "add", "warehouse", *POSTGRES, "--port", 5433, "--password", "env:WAREHOUSE_PASSWORD",
        "--org", 1, "--org", 7, "--max-connections", 4, "--allow-query",
    )  # fmt: skip

    assert (done.returncode, done.stdout) == (0, f"warehouse is in {file}\n")
    assert tomllib.loads(file.read_text()) == {
        "connections": {
            "warehouse": {
                "kind": "postgres",
                "host": "127.0.0.1",
                "port": 5433,
                "database": "tpch",
                "user": "reader",
                "password": "env:WAREHOUSE_PASSWORD",
                "orgs": [1, 7],
                "max_connections": 4,
                "allow_query": True,
            }
        }
    }


def test_a_path_of_this_folder_is_written_so_that_every_process_finds_it(
    connections, file, tmp_path
):
    connections("add", "exports", "--kind", "parquet", "--root", "data")

    assert tomllib.loads(file.read_text())["connections"]["exports"] == {
        "kind": "parquet",
        "root": str(tmp_path / "data"),
    }


def test_any_other_database_is_written_with_its_dialect_and_parameters(connections, file):
    connections(
        "add", "shop", "--kind", "sqlalchemy", "--dialect", "firebird+firebird",
        "--database", "/srv/shop.fdb", "--parameter", "charset=UTF8", "--parameter", "role=a=b",
    )  # fmt: skip

    assert tomllib.loads(file.read_text())["connections"]["shop"] == {
        "kind": "sqlalchemy",
        "dialect": "firebird+firebird",
        "database": "/srv/shop.fdb",
        "parameters": {"charset": "UTF8", "role": "a=b"},
    }
    listed = json.loads(connections("list", "--json").stdout)["connections"]
    assert [each["place"] for each in listed] == ["/srv/shop.fdb"]


OTHER = ["shop", "--kind", "sqlalchemy", "--database", "shop", "--dialect", "oracle+oracledb"]


@pytest.mark.parametrize(
    "words",
    [
        ["warehouse", *POSTGRES, "--password", "hunter2"],
        [*OTHER, "--parameter", "wallet_password=hunter2"],
        [*OTHER, "--parameter", "hunter2"],
        [*OTHER, "--dialect", "oracle://reader:hunter2@shop"],
        ["warehouse", "--kind", "oracle"],
        ["warehouse", "--kind", "postgres"],
        ["warehouse", "--kind", "parquet", "--root", "a", "--host", "b"],
        ["a name", *POSTGRES],
        ["warehouse", *POSTGRES, "--org", "0"],
        ["warehouse", *POSTGRES, "--port", "x"],
        ["warehouse", *POSTGRES, "--host", "169.254.169.254"],
    ],
)
def test_what_is_wrong_is_refused_without_a_file_and_without_a_secret(connections, file, words):
    done = connections("add", *words)

    assert (done.returncode, done.stdout, file.exists()) == (2, "", False)
    assert "hunter2" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_name_is_taken_once(connections):
    connections("add", "one", *POSTGRES)

    assert connections("add", "one", *POSTGRES).returncode == 2


def test_all_are_listed_for_the_operator_without_secrets(connections, file):
    connections("add", "warehouse", *POSTGRES, "--password", "env:SECRET_PLACE", "--org", 7)
    with file.open("a") as more:
        more.write('\n[connections.broken]\nkind = "oracle"\n')

    listed = json.loads(connections("list", "--json").stdout)
    table = connections("list").stdout

    assert listed["connections"][1] == {
        "name": "warehouse",
        "kind": "postgres",
        "place": "reader@127.0.0.1:5432/tpch",
        "orgs": [7],
        "max_connections": 8,
        "allow_query": False,
        "problem": None,
    }
    assert listed["connections"][0]["problem"].startswith("connection broken: kind must be one of")
    assert "SECRET_PLACE" not in json.dumps(listed) + table
    assert [line.split()[0] for line in table.splitlines()] == ["name", "broken", "warehouse"]


def test_no_file_is_no_connections(connections):
    assert json.loads(connections("list", "--json").stdout) == {"connections": []}


def test_a_removed_connection_is_gone_and_an_unknown_one_ends_with_3(connections, file):
    connections("add", "warehouse", *POSTGRES)

    unknown, done = connections("remove", "warehose"), connections("remove", "warehouse")

    assert (unknown.returncode, done.returncode) == (3, 0)
    assert "warehouse" in unknown.stderr
    assert tomllib.loads(file.read_text()).get("connections", {}) == {}


def test_a_source_that_answers_is_said_to_and_its_tables_are_described(connections, tmp_path):
    with sqlite3.connect(tmp_path / "app.db") as app:
        app.execute("CREATE TABLE users (id INTEGER NOT NULL, name TEXT)")
    connections("add", "app", "--kind", "sqlite", "--path", "app.db")
    (tmp_path / "data").mkdir()
    pq.write_table(pa.table({"n": [1]}), tmp_path / "data" / "a.parquet")
    connections("add", "exports", "--kind", "parquet", "--root", "data")

    assert connections("test", "app").stdout == "app answers\n"
    assert connections("test", "exports").stdout == "exports answers\n"
    described = json.loads(connections("test", "exports", "--path", "a.parquet", "--json").stdout)
    assert described == {
        "name": "exports",
        "reached": True,
        "columns": [{"name": "n", "type": "int64"}],
    }
    assert "  name: string\n" in connections("test", "app", "--table", "users").stdout


def test_a_source_that_is_not_there_ends_with_6_and_an_unknown_name_with_3(connections):
    connections("add", "warehouse", *POSTGRES, "--port", free_port(), "--password", "env:SECRET")
    connections("add", "app", "--kind", "sqlite", "--path", "nowhere.db")

    down = connections("test", "warehouse", SECRET="hunter2")
    missing, unknown = connections("test", "app"), connections("test", "nobody")

    assert [each.returncode for each in (down, missing, unknown)] == [6, 6, 3]
    assert "hunter2" not in down.stderr


def test_a_postgres_is_reached(connections, postgres):
    port = postgres.dsn().split("@")[1].split(":")[1].split("/")[0]
    words = ["--kind", "postgres", "--host", "127.0.0.1", "--port", port]
    connections("add", "real", *words, "--database", "postgres", "--user", "postgres")

    done = connections("test", "real")

    assert (done.returncode, done.stdout) == (0, "real answers\n")


def test_a_bucket_is_registered_and_reached(connections, file, tmp_path, s3):
    root = new_root(s3)
    pq.write_table(pa.table({"n": [1]}), tmp_path / "a.parquet")
    root.upload(tmp_path)
    (tmp_path / "secret").write_text(root.place.keys[1])
    words = ["--kind", "parquet", "--root", str(root.place), "--endpoint", s3.endpoint]
    keys = ["--access-key-id", "env:EXPORTS_KEY", "--secret-access-key", "file:secret"]
    connections("add", "exports", *words, *keys)

    assert tomllib.loads(file.read_text())["connections"]["exports"] == {
        "kind": "parquet",
        "root": str(root.place),
        "endpoint": s3.endpoint,
        "access_key_id": "env:EXPORTS_KEY",
        "secret_access_key": f"file:{tmp_path}/secret",
    }
    assert str(root.place) in connections("list").stdout
    right = connections("test", "exports", "--path", "a.parquet", EXPORTS_KEY=root.place.keys[0])
    wrong = connections("test", "exports", EXPORTS_KEY="hunter2")
    assert (right.returncode, right.stdout) == (0, "exports answers\n  n: int64\n")
    assert (wrong.returncode, "hunter2" in wrong.stderr + wrong.stdout) == (1, False)
    assert "refuses the connection's keys" in wrong.stderr
