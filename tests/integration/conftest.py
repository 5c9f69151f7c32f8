"""What a worker has, for tests without a cluster."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from cluster.extract import Telemetry
from cluster.holders import SnapshotHolders
from cluster.session import RaySession
from staging.catalog import Catalog, migrate
from staging.sources.connections import Connections
from staging.storage.objects import ObjectStore
from workflows.budgets import Budgets
from workflows.cluster_size import ClusterSize
from workflows.metrics import WorkerMetrics
from workflows.parts import Parts


@pytest.fixture
def parts(s3, tmp_path) -> Iterator[Parts]:
    """What a worker has, with a catalog of its own and without Ray."""
    url = f"sqlite:///{tmp_path}/catalog.db"
    migrate(url)
    catalog = Catalog.open(url)
    registry = tmp_path / "connections.toml"
    registry.write_text('[connections.files]\nkind = "csv"\nroot = "."\nmax_connections = 3\n')
    connections, session = Connections(registry), RaySession("127.0.0.1:1")
    metrics = WorkerMetrics()
    metrics.registry.register(Budgets(catalog, connections))
    metrics.registry.register(ClusterSize(session))
    yield Parts(
        catalog=catalog,
        connections=connections,
        store=ObjectStore(s3),
        store_config=s3,
        session=session,
        holders=SnapshotHolders(session),
        metrics=metrics,
        telemetry=Telemetry("info", None),
        purge_grace=timedelta(0),
        garbage_grace=timedelta(0),
    )
    catalog.close()
