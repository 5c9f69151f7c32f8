"""The API over real parts, with Temporal recorded at its seam."""

import json
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import httpx2
import pyarrow as pa
import pyarrow.parquet as pq
from fastapi import FastAPI
from starlette.testclient import TestClient

from api.app import create_app
from api.handout import Handout
from api.metrics import Metrics
from api.page_tokens import PageTokens
from api.watching import Watch
from api.wiring import Wiring
from staging.catalog import Catalog
from staging.core.contracts import Signal
from staging.core.errors import OrchestrationUnavailable
from staging.sources.connections import Connections
from staging.storage.links import LinkSigner
from staging.storage.objects import ObjectStore, StoreConfig
from tests.contract.catalog_steps import GRACE, NOW

PREFIX = "/api/v1/staging"
KEY = b"a key of tests"
LOCATION = "grpc://127.0.0.1:8815"
APP = {"connection": "app", "table": "users"}
NOWHERE = StoreConfig(
    endpoint="http://127.0.0.1:9",
    public_endpoint="http://objects.example:9000",
    bucket="staging",
    region="us-east-1",
)
CONNECTIONS = """
[connections.app]
kind = "sqlite"
path = "app.db"
allow_query = false

[connections.exports]
kind = "parquet"
root = "exports"

[connections.private]
kind = "sqlite"
path = "app.db"
orgs = [7]

[connections.wrong_password]
kind = "postgres"
host = "127.0.0.1"
port = 9
database = "nothing"
user = "nobody"
password = "env:A_PASSWORD_THAT_IS_NOT_SET"

[connections.host_down]
kind = "postgres"
host = "127.0.0.1"
port = 9
database = "nothing"
user = "nobody"
"""


class Recorder:
    """Stands where Temporal stands, and keeps what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str | None]] = []
        self.is_down = False

    async def start(self, job_id: str) -> None:
        self._take(job_id, None)

    async def signal(self, job_id: str, signal: Signal) -> None:
        self._take(job_id, signal.value)

    async def check(self) -> None:
        if self.is_down:
            raise OrchestrationUnavailable()

    def _take(self, job_id: str, signal: str | None) -> None:
        if self.is_down:
            raise OrchestrationUnavailable()
        self.told.append((job_id, signal))


@dataclass
class Clock:
    """A clock that tests move."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Service:
    """The application and what stands behind it."""

    catalog: Catalog
    folder: Path
    wiring: Wiring
    temporal: Recorder
    clock: Clock
    client: TestClient = field(init=False)

    def __post_init__(self) -> None:
        app = _app()
        app.state.wiring = self.wiring
        self.client = TestClient(app, raise_server_exceptions=False)

    def use(self, **parts: Any) -> None:
        """Put other parts behind the application."""
        self.wiring = replace(self.wiring, **parts)
        _app().state.wiring = self.wiring

    def request(self, method: str, path: str, **given: Any) -> httpx2.Response:
        return self.client.request(method, PREFIX + path, **given)

    def get(self, path: str, **given: Any) -> httpx2.Response:
        return self.request("GET", path, **given)

    def post(self, path: str, **given: Any) -> httpx2.Response:
        return self.request("POST", path, **given)

    def delete(self, path: str, **given: Any) -> httpx2.Response:
        return self.request("DELETE", path, **given)

    def create(self, source: Mapping[str, Any] = APP, **body: Any) -> dict[str, Any]:
        """Create a job; it must be accepted."""
        answer = self.post("/jobs", json={"source": source, **body})
        assert answer.status_code == 202, answer.text
        return answer.json()


@cache
def _app() -> FastAPI:
    """One application for all tests, which run one after another: only its parts change."""
    return create_app(Wiring(*[None] * 8))  # type: ignore[arg-type]


@cache
def _store_at(config: StoreConfig) -> ObjectStore:
    return ObjectStore(config)


def make_wiring(
    catalog: Catalog,
    folder: Path,
    temporal: Any,
    now: Callable[[], datetime],
    store: StoreConfig = NOWHERE,
) -> Wiring:
    return Wiring(
        catalog=catalog,
        connections=Connections(folder / "connections.toml"),
        handout=Handout(LinkSigner(store), KEY, (LOCATION,), GRACE),
        tokens=PageTokens(KEY),
        orchestration=temporal,
        watch=Watch(catalog),
        metrics=Metrics(catalog),
        store=_store_at(store),
        now=now,
    )


def fill(folder: Path) -> None:
    """Lay out the connections and what they lead to."""
    (folder / "connections.toml").write_text(CONNECTIONS)
    with sqlite3.connect(folder / "app.db") as app:
        app.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, price REAL)")
        app.execute("INSERT INTO users VALUES (1, 'one', 1.5), (2, 'two', 2.5)")
    (folder / "exports").mkdir()
    pq.write_table(pa.table({"id": [1, 2], "price": [1.5, 2.5]}), folder / "exports/a.parquet")


def problem_of(answer: httpx2.Response) -> tuple[int, str]:
    """Check that an answer is a whole problem; give its status and code."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    body = json.loads(answer.text)
    assert body["type"] == f"/problems/{body['code']}"
    assert body["status"] == answer.status_code
    assert body["request_id"] == answer.headers["x-request-id"]
    assert body["title"]
    assert body["detail"]
    return answer.status_code, body["code"]


def pointers(answer: httpx2.Response) -> list[str]:
    """Give the places that a 422 points at."""
    assert answer.status_code == 422, answer.text
    return [error["pointer"] for error in answer.json()["errors"]]


def without_links(job: dict[str, Any]) -> dict[str, Any]:
    """Give the job as it is shown: each second signs other links."""
    return job | {"chunks": [chunk | {"url": None} for chunk in job["chunks"]]}
