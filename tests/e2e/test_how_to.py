"""Every page of docs/how-to does what it says when its blocks are run one after the other."""

import os
import re
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from staging.local.postgres import temporary_postgres
from staging.storage.config import StoreConfig
from tests.buckets import new_root
from tests.firebird_file import FirebirdFile
from tests.mariadb import temporary_mariadb
from tests.stack import RunningStack

_FOLDER = Path(__file__).parents[2] / "docs" / "how-to"
_ELSEWHERE = {"add-a-source.md", "scale-the-cluster.md"}
"""tests/integration has test_add_a_source.py and test_local_nodes.py for them."""
PAGES = sorted(page for page in _FOLDER.glob("*.md") if page.name not in _ELSEWHERE)
STAGES_NOTHING = {"watch-in-the-console.md"}
_BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_SCRIPTS: Mapping[str, Callable[[str], str]] = {
    "sh": str,
    "python": "python - <<'PYTHON'\n{}PYTHON\n".format,
}


def blocks(page: Path, *languages: str) -> Iterator[tuple[str, str]]:
    for _, language, body in _BLOCK.findall(page.read_text()):
        if language in languages:
            yield language, textwrap.dedent(body)


@contextmanager
def a_shop_on_mariadb(page: Path, _s3: StoreConfig) -> Iterator[dict[str, str]]:
    """The server that the page asks for, with the table it stages; its own port for the page's."""
    with temporary_mariadb() as server:
        with server.connect() as root, root.cursor() as cursor:
            cursor.execute("CREATE DATABASE shop")
            cursor.execute("CREATE TABLE shop.orders (id bigint PRIMARY KEY, customer_id int)")
            cursor.execute("INSERT INTO shop.orders SELECT seq, seq % 7 FROM shop.seq_1_to_1000")
            for _, script in blocks(page, "sql"):
                for statement in script.strip().rstrip(";").split(";"):
                    cursor.execute(statement)
        yield {"3306": str(server.port)}


@contextmanager
def books_on_postgres(page: Path, _s3: StoreConfig) -> Iterator[dict[str, str]]:
    """The server that the page asks for, with the table it stages; its own port for the page's."""
    with temporary_postgres() as server:
        with psycopg.connect(server.dsn(), autocommit=True) as admin:
            admin.execute("CREATE DATABASE books")
        with psycopg.connect(server.dsn("books"), autocommit=True) as admin:
            admin.execute(
                "CREATE TABLE sales AS SELECT n AS id, 'north' AS region, n::numeric(10, 2)"
                " AS amount FROM generate_series(1, 1000) n"
            )
            for _, script in blocks(page, "sql"):
                admin.execute(script.encode())
        yield {"5432": str(server.port)}


@contextmanager
def a_shop_on_firebird(page: Path, _s3: StoreConfig) -> Iterator[dict[str, str]]:
    """The database that the page asks for, in a file of its own for the page's."""
    with tempfile.TemporaryDirectory() as folder:
        shop = FirebirdFile(Path(folder) / "shop.fdb")
        shop.run("CREATE TABLE orders (id BIGINT NOT NULL PRIMARY KEY, customer_id INTEGER)")
        shop.insert("INSERT INTO orders VALUES (?, ?)", [(n, n % 7) for n in range(1000)])
        shop.run(*(script.strip().rstrip(";") for _, script in blocks(page, "sql")))
        yield {"/srv/shop.fdb": str(shop.path)}


@contextmanager
def a_bucket_of_exports(_page: Path, s3: StoreConfig) -> Iterator[dict[str, str]]:
    """The bucket that the page asks for; the store's own port and keys for the page's."""
    root = new_root(s3)
    root.client.create_bucket(Bucket="exports")
    key_id, secret = root.place.keys or ("", "")
    port = s3.endpoint.rpartition(":")[2]
    yield {"9000": port, "the access key": key_id, "its secret": secret}


NEEDS = {
    "stage-from-another-database.md": a_shop_on_firebird,
    "stage-from-mysql.md": a_shop_on_mariadb,
    "stage-from-postgres.md": books_on_postgres,
    "stage-from-files-in-s3.md": a_bucket_of_exports,
}


@contextmanager
def nothing_more(_page: Path, _s3: StoreConfig) -> Iterator[dict[str, str]]:
    yield {}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_works_as_it_is_written(
    page: Path, stack: RunningStack, s3: StoreConfig, tmp_path: Path
):
    with NEEDS.get(page.name, nothing_more)(page, s3) as replaced:
        script = "".join(_SCRIPTS[each](body) for each, body in blocks(page, *_SCRIPTS))
        replaced["http://localhost:8003"] = stack.api_url
        for written, real in replaced.items():
            script = script.replace(written, real)

        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            check=False,
            cwd=tmp_path,
            env=stack.environment
            | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=120,
        )

    assert done.returncode == 0, done.stdout + done.stderr
    ends_with_files = page.name not in STAGES_NOTHING
    assert any(tmp_path.rglob("*.parquet")) is ends_with_files
