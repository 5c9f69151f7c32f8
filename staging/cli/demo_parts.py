"""What the demo runs on: a Postgres with lineitem, and an embedded stack of its own."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pyarrow as pa
from pyarrow import csv

from staging.core.errors import Unavailable
from staging.local.folder import StateFolder
from staging.local.layout import secret_environment
from staging.local.postgres import temporary_postgres
from staging.local.runfile import Run, read_run
from staging.local.secret_files import load_secrets
from staging.local.tpch import load_lineitem
from staging.settings import Settings
from staging.storage.objects import ObjectStore, StoreConfig

Step = Callable[[str], AbstractContextManager[None]]
_GRACES = {"STAGING_PURGE_GRACE_SECONDS": "1", "STAGING_GARBAGE_GRACE_SECONDS": "1"}
_CONNECTIONS = """\
[connections.warehouse]
kind = "postgres"
host = "127.0.0.1"
port = {port}
database = "postgres"
user = "postgres"
"""


@dataclass(frozen=True, slots=True)
class DemoParts:
    """The running parts; `dsn` is for comparing with the source, never given to the service."""

    dsn: str
    api_url: str
    store: ObjectStore

    def object_count(self) -> int:
        """How many objects the bucket holds."""
        return sum(1 for _ in self.store.list())


@contextmanager
def demo_parts(scale: float, step: Step) -> Iterator[DemoParts]:
    """Start everything in new folders, on free ports where the usual are taken; stop it after."""
    with temporary_postgres() as server:
        with step(f"Fill a Postgres with TPC-H lineitem, scale {scale:g}"):
            load_lineitem(server.dsn(), scale)
        folder = Path(tempfile.mkdtemp(prefix="staging-demo-"))
        connections = folder / "connections.toml"
        connections.write_text(_CONNECTIONS.format(port=server.port))
        environment = _environment(folder, connections)
        is_whole = False
        try:
            with step("Start Temporal, SeaweedFS, Ray, the API, the worker, Flight"):
                _staging("up", "-d", "--port", "0", environment=environment)
            yield _running(server.dsn(), StateFolder(folder))
            is_whole = True
        finally:
            with step("Stop the stack"):
                _staging("down", environment=environment)
            if is_whole:
                shutil.rmtree(folder, ignore_errors=True)
            else:
                print(f"the logs are in {folder / 'logs'}", file=sys.stderr)  # noqa: T201


def read_source(dsn: str, schema: pa.Schema) -> pa.Table:
    """Read lineitem by a way that shares nothing with the service: COPY to CSV, parsed by Arrow.

    Values are cast to `schema`; char(n) goes through text, where SQL drops trailing blanks.
    """
    columns = ", ".join(
        f'"{field.name}"::text' if pa.types.is_string(field.type) else f'"{field.name}"'
        for field in schema
    )
    statement = f"COPY (SELECT {columns} FROM lineitem) TO STDOUT (FORMAT csv, HEADER)"
    with tempfile.TemporaryFile() as file:
        with psycopg.connect(dsn) as connection, connection.cursor().copy(statement) as copy:
            for block in copy:
                file.write(block)
        file.seek(0)
        types = {field.name: field.type for field in schema}
        return csv.read_csv(file, convert_options=csv.ConvertOptions(column_types=types))


def _environment(folder: Path, connections: Path) -> dict[str, str]:
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith("STAGING_")
    }
    places = {"STAGING_STATE_DIR": str(folder), "STAGING_CONNECTIONS": str(connections)}
    return inherited | _GRACES | places


def _staging(*words: str, environment: dict[str, str]) -> None:
    command = [str(Path(sys.executable).parent / "staging"), *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Unavailable(f"staging {' '.join(words)} failed:\n{done.stdout}{done.stderr}")


def _running(dsn: str, folder: StateFolder) -> DemoParts:
    run = read_run(folder)
    if run is None:
        raise Unavailable("the stack has stopped")
    api_url = next(part.url for part in run.parts if part.name == "api")
    return DemoParts(dsn, api_url or "", _store(folder, run))


def _store(folder: StateFolder, run: Run) -> ObjectStore:
    """Reach the stack's bucket with the stack's own keys."""
    chosen = Settings()
    os.environ.update(run.environment)
    os.environ.update(secret_environment(load_secrets(folder.secrets), chosen, {}))
    return ObjectStore(StoreConfig.from_settings(Settings()))
