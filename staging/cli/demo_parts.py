"""What the demo runs on: a Postgres with lineitem, and an embedded stack of its own."""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pyarrow as pa
from pyarrow import csv

from staging.local.folder import StateFolder
from staging.local.launch import start_in_background, stop
from staging.local.layout import secret_environment
from staging.local.options import UpOptions
from staging.local.postgres import temporary_postgres
from staging.local.runfile import Run
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
        environment, state = _environment(connections), StateFolder(folder)
        is_whole = False
        try:
            with step("Start Temporal, SeaweedFS, Ray, the API, the worker, Flight"):
                run = start_in_background(state, UpOptions(port=0, is_bound=True), environment)
            yield _running(server.dsn(), state, run)
            is_whole = True
        finally:
            with step("Stop the stack"):
                stop(state)
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


def _environment(connections: Path) -> dict[str, str]:
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith("STAGING_")
    }
    return inherited | _GRACES | {"STAGING_CONNECTIONS": str(connections)}


def _running(dsn: str, folder: StateFolder, run: Run) -> DemoParts:
    api_url = next(part.url for part in run.parts if part.name == "api")
    return DemoParts(dsn, api_url or "", _store(folder, run))


def _store(folder: StateFolder, run: Run) -> ObjectStore:
    """Reach the stack's bucket with the stack's own keys."""
    chosen = Settings()
    os.environ.update(run.environment)
    os.environ.update(secret_environment(load_secrets(folder.secrets), chosen, {}))
    return ObjectStore(StoreConfig.from_settings(Settings()))
