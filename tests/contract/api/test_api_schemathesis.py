"""Schemathesis over the whole OpenAPI: every default check but use_after_free, no failure."""

import json
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uvicorn

from api.app import create_app, routed_app
from staging.catalog import Catalog
from staging.core.jobs import JobState
from staging.local.ports import free_port
from tests.contract.api.service import Recorder, make_wiring
from tests.contract.catalog_steps import a_draft, job_in
from tests.contract.reading.servers import ROOT, answers

CENTURY = 100 * 365 * 86_400
"""A job of the tests' past is still alive."""
CONNECTIONS = """
[connections.warehouse]
kind = "sqlite"
path = "app.db"

[connections.exports]
kind = "parquet"
root = "exports"
"""
MIX = """
[dictionaries.jobs]
values = {jobs}
[dictionaries.chunks]
values = ["0", "1", "2", "3", {chunk}]
[dictionaries.connections]
values = ["warehouse", "exports"]
[dictionaries.tables]
values = ["public.lineitem"]

[parameters]
"path.job_id" = {{ dictionary = "jobs", probability = 0.9 }}
"path.chunk_id" = {{ dictionary = "chunks", probability = 0.9 }}
"body.source.connection" = {{ dictionary = "connections", probability = 0.8 }}
"body.source.table" = {{ dictionary = "tables", probability = 0.8 }}
"""


def seed(catalog: Catalog) -> tuple[list[str], str]:
    """Jobs in every state, alive for long; gives their ids and the id of a chunk of the first."""
    states = [JobState.STAGED, JobState.RUNNING, *JobState, *JobState]
    jobs = [
        job_in(catalog, state, a_draft(ttl_seconds=1 if state is JobState.EXPIRED else CENTURY))
        for state in states
    ]
    return [job.job_id for job in jobs], catalog.chunk(1, jobs[0].job_id, "0").chunk_id


@pytest.fixture
def folder(folder: Path) -> Path:
    """Sources that the examples of the documentation find."""
    (folder / "connections.toml").write_text(CONNECTIONS)
    with sqlite3.connect(folder / "app.db") as app:
        app.execute('CREATE TABLE "public.lineitem" (id INTEGER PRIMARY KEY, note TEXT)')
    (folder / "exports/2026").mkdir()
    table = pa.table({"id": [1], "price": [1.5], "note": ["x"]})
    pq.write_table(table, folder / "exports/2026/a.parquet")
    return folder


@pytest.fixture
def url(catalog: Catalog, folder: Path, s3) -> Iterator[str]:
    """The service on a port, with a real store and the real time."""
    port = free_port()
    wiring = make_wiring(catalog, folder, Recorder(), lambda: datetime.now(UTC), s3)
    server = uvicorn.Server(
        uvicorn.Config(create_app(wiring), port=port, log_level="error", access_log=False)
    )
    serving = threading.Thread(target=server.run)
    serving.start()
    while not answers(port):
        assert serving.is_alive()
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    serving.join()


@pytest.mark.timeout(600)
def test_the_service_does_what_its_document_says(url: str, catalog: Catalog, tmp_path: Path):
    jobs, chunk = seed(catalog)
    config = tmp_path / "schemathesis.toml"
    mix = MIX.format(jobs=json.dumps(jobs), chunk=json.dumps(chunk))
    config.write_text((ROOT / "schemathesis.toml").read_text() + mix)

    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("schemathesis")),
            "--config-file",
            str(config),
            "run",
            f"{url}/openapi.json",
            "--seed=12",
            "--max-examples=25",
            "--generation-database=none",
            "--suppress-health-check=all",
            "--no-color",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-20_000:]
    count = sum(len(methods) for methods in routed_app().openapi()["paths"].values())
    assert f"Tested: {count}" in done.stdout
