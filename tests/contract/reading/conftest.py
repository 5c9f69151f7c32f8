"""A shelf of staged jobs, and the real servers that hand them out."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from pyarrow import flight

from staging.catalog import Catalog, migrate
from staging.local.ports import free_port
from staging.storage.objects import ObjectStore
from staging_client import Patience, StagingClient
from tests.contract.reading.narrow import connect
from tests.contract.reading.servers import Server, answers, start
from tests.contract.reading.shelf import PURGE_GRACE, Shelf, parquet, rows

TICKET_KEY = "a key for tests only"


@pytest.fixture(scope="session")
def shelf(s3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    folder = tmp_path_factory.mktemp("shelf")
    url = f"sqlite:///{folder}/catalog.db"
    migrate(url)
    catalog = Catalog.open(url)
    yield Shelf(catalog, url, ObjectStore(s3), folder)
    catalog.close()


@pytest.fixture(scope="session")
def environment(shelf: Shelf, s3) -> Mapping[str, str]:
    """What every process of the service is given."""
    return {
        "STAGING_STATE_DIR": str(shelf.folder),
        "STAGING_CATALOG_URL": shelf.catalog_url,
        "STAGING_CONNECTIONS": str(shelf.folder / "connections.toml"),
        "STAGING_S3_ENDPOINT": s3.endpoint,
        "STAGING_S3_BUCKET": s3.bucket,
        "STAGING_S3_REGION": s3.region,
        "STAGING_TICKET_KEY": TICKET_KEY,
        "STAGING_PURGE_GRACE_SECONDS": str(int(PURGE_GRACE.total_seconds())),
        "STAGING_FLIGHT_MAX_STREAMS": "4",
        "STAGING_HOST": "127.0.0.1",
    }


@pytest.fixture(scope="session")
def flight_port() -> int:
    return free_port()


@pytest.fixture(scope="session")
def flight_process(environment, flight_port: int, shelf: Shelf) -> Iterator[Server]:
    """`python -m flight_server`, shared by the session's tests."""
    log = shelf.folder / "flight.log"
    server = start("flight_server", {**environment, "STAGING_FLIGHT_PORT": str(flight_port)}, log)
    server.until(lambda: answers(flight_port))
    yield server
    assert server.stop() == 0


@pytest.fixture(scope="session")
def location(flight_process: Server, flight_port: int) -> str:
    return f"grpc://127.0.0.1:{flight_port}"


@pytest.fixture
def reader(location: str) -> Iterator[flight.FlightClient]:
    with connect(location) as client:
        yield client


@pytest.fixture
def as_org():
    """Make call options that name an organisation."""

    def options(org_id: object, **more: str) -> flight.FlightCallOptions:
        headers = [(b"x-org-id", str(org_id).encode())]
        headers += [(name.replace("_", "-").encode(), text.encode()) for name, text in more.items()]
        return flight.FlightCallOptions(headers=headers)

    return options


@pytest.fixture(scope="session")
def api_process(environment, shelf: Shelf, location: str) -> Iterator[tuple[Server, str]]:
    """`python -m api` beside the Flight server, and its URL; Temporal is down."""
    port = free_port()
    exports = shelf.folder / "exports"
    exports.mkdir()
    (exports / "orders.parquet").write_bytes(parquet(rows(0, 10)))
    (shelf.folder / "connections.toml").write_text(
        '[connections.exports]\nkind = "parquet"\nroot = "exports"\n'
    )
    given = {
        **environment,
        "STAGING_PORT": str(port),
        "STAGING_FLIGHT_PUBLIC_LOCATION": location,
        "STAGING_TEMPORAL_ADDRESS": f"127.0.0.1:{free_port()}",
    }
    server = start("api", given, shelf.folder / "api.log")
    server.until(lambda: answers(port))
    yield server, f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture(scope="session")
def api_url(api_process: tuple[Server, str]) -> str:
    return api_process[1]


@pytest.fixture
def as_client(api_url: str) -> Iterator[Callable[..., StagingClient]]:
    """Make clients of an organisation."""
    made: list[StagingClient] = []

    def client(org_id: object, **more: Any) -> StagingClient:
        made.append(StagingClient(api_url, org_id, **more))  # type: ignore[arg-type]
        return made[-1]

    yield client
    for each in made:
        each.close()


@pytest.fixture
def client(as_client) -> StagingClient:
    return as_client(1)


@pytest.fixture
def impatient(as_client) -> StagingClient:
    return as_client(1, patience=Patience(0.5))
