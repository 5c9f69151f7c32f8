"""Real servers for tests, each started once a session when it is first asked for."""

import hashlib
import io
import os
import secrets
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pyarrow as pa
import pytest
from xdist.scheduler import LoadScopeScheduling

from staging.core.errors import StagingError
from staging.local.child import start
from staging.local.ports import PortBook, free_port
from staging.local.postgres import EmbeddedPostgres, temporary_postgres
from staging.local.seaweed import BUCKET, PREFERRED, SeaweedPorts, seaweed
from staging.storage.objects import ObjectStore, StoreConfig
from tests import postgres_catalog, shelves, warehouse
from tests.e2e import connections
from tests.firebird_file import shared_by_processes
from tests.mariadb import MariaDb, temporary_mariadb
from tests.stack import RunningStack

if TYPE_CHECKING:
    from tests.e2e.service import Service

WAREHOUSE = "warehouse"

WITHOUT_A_STACK = (
    "tests/architecture/",
    "tests/contract/",
    "tests/integration/test_embedded_postgres",
    "tests/integration/test_fleet",
    "tests/integration/test_guard",
    "tests/integration/test_keeper",
    "tests/integration/test_kuberay",
    "tests/integration/test_snapshots_of_two_workers",
    "tests/integration/test_source_",
    "tests/integration/test_storage",
    "tests/integration/test_worker_metrics",
    "tests/integration/test_workflow",
    "tests/replay/",
    "tests/unit/",
)
WITH_THEIR_OWN_STACK = (
    "tests/faults/test_ray_up",
    "tests/faults/test_two_of_each",
    "tests/integration/test_local_",
)
FAILED_LOGS = Path(__file__).parents[1] / ".staging" / "failed-test-logs"
REGION = "us-east-1"


class ByStack(LoadScopeScheduling):
    """Runs the tests that share a stack on one process, those that start their own on another."""

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith(WITH_THEIR_OWN_STACK):
            return "own stacks"
        return nodeid if nodeid.startswith(WITHOUT_A_STACK) else "the stack"


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByStack:
    """Give the tests without a stack to whichever process is free."""
    config.option.loadscopereorder = False
    return ByStack(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the stacks for the end: none of them then runs beside tests that do not need it."""
    items.sort(key=lambda item: not item.nodeid.startswith(WITHOUT_A_STACK))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run of CI in which a test was skipped: it has shown nothing."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") == "true" and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """A Postgres without databases of its own; create one a test, or a schema."""
    with temporary_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDb]:
    """A MariaDB without databases of its own; create one a module of tests."""
    with temporary_mariadb() as server:
        yield server


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreConfig]:
    """A running store with an empty bucket; its keys are in the environment for the session."""
    folder = tmp_path_factory.mktemp("s3")
    ports = SeaweedPorts.choose(PortBook(), dict.fromkeys(PREFERRED, 0))
    keys = {
        "AWS_ACCESS_KEY_ID": secrets.token_hex(8),
        "AWS_SECRET_ACCESS_KEY": secrets.token_hex(16),
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in keys.items():
            patch.setenv(name, value)
        child = start(seaweed(folder, ports, folder / "s3.log", dict(os.environ)))
        config = StoreConfig(ports.endpoint, ports.endpoint, BUCKET, REGION)
        _until_it_stores(config, folder)
        yield config
        child.stop()


def _until_it_stores(config: StoreConfig, folder: Path) -> None:
    store = ObjectStore(config)
    deadline = time.monotonic() + 60
    while True:
        try:
            store.put_once(
                "ready", io.BytesIO(b"ready"), sha256=hashlib.sha256(b"ready").hexdigest()
            )
            store.delete(["ready"])
        except StagingError:
            assert time.monotonic() < deadline, (folder / "s3.log").read_text()
            time.sleep(0.1)
        else:
            return


@pytest.fixture(scope="session")
def dsn(postgres: EmbeddedPostgres) -> str:
    """The warehouse of the running stack, as its owner."""
    with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {WAREHOUSE}")
    warehouse.fill(postgres.dsn(WAREHOUSE))
    return postgres.dsn(WAREHOUSE)


@pytest.fixture(scope="session")
def stack_folder() -> Iterator[Path]:
    """A short folder for the stack: sockets have short paths."""
    with tempfile.TemporaryDirectory(prefix="staging-e2e-", ignore_cleanup_errors=True) as name:
        yield Path(name)


@pytest.fixture(scope="session")
def file_sources(stack_folder: Path, s3: StoreConfig) -> dict[str, tuple[dict[str, Any], pa.Table]]:
    """Source and expected rows of each file kind."""
    return shelves.fill(stack_folder, s3)


@pytest.fixture(scope="session")
def stack(
    request: pytest.FixtureRequest,
    *,
    stack_folder: Path,
    postgres: EmbeddedPostgres,
    dsn: str,
    s3: StoreConfig,
    file_sources: dict[str, tuple[dict[str, Any], pa.Table]],
) -> Iterator[RunningStack]:
    """The whole embedded stack, with short graces and the connections of the tests."""
    registry = stack_folder / "connections.toml"
    registry.write_text(connections.registry(WAREHOUSE, postgres.port, free_port(), s3.endpoint))
    settings = {
        "STAGING_CONNECTIONS": str(registry),
        "STAGING_PURGE_GRACE_SECONDS": "2",
        "STAGING_GARBAGE_GRACE_SECONDS": "5",
        "STAGING_RESTART_RESET_SECONDS": "5",
    }
    settings |= connections.SECRETS | shared_by_processes(stack_folder / "firebird")
    if postgres_catalog.IS_ASKED_FOR:
        settings["STAGING_CATALOG_URL"] = postgres_catalog.new_database(postgres)
    running = RunningStack(stack_folder / "state", settings)
    yield running
    running.stop()
    if request.session.testsfailed:
        shutil.copytree(running.folder.logs, FAILED_LOGS, dirs_exist_ok=True)


@pytest.fixture(scope="session")
def other_source(stack: RunningStack, stack_folder: Path) -> tuple[dict[str, Any], pa.Table]:
    """Source and expected rows of a database without a kind of its own, registered meanwhile."""
    return shelves.fill_firebird(stack_folder)


@pytest.fixture(scope="session")
def api_url(stack: RunningStack) -> str:
    return stack.api_url


@pytest.fixture(scope="session")
def service(api_url: str) -> "Service":
    from tests.e2e.service import Service  # Flight must not be in every test's process

    return Service(api_url)


@pytest.fixture
def slow_table(dsn: str) -> Iterator[warehouse.SlowTable]:
    """A table of this test alone that one reader takes 24 s for, unless it is told to hurry."""
    with warehouse.slow_table(dsn, f"slow_{uuid.uuid4().hex}") as table:
        yield table


@pytest.fixture
def longer_table(dsn: str) -> Iterator[warehouse.SlowTable]:
    """A table that is slow and large enough for the cluster to change while it is read: 240 s."""
    name = f"longer_{uuid.uuid4().hex}"
    with warehouse.slow_table(dsn, name, 3 * warehouse.SLOW_ROWS, seconds=0.1) as table:
        yield table
