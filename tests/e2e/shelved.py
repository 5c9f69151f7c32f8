"""An API process on a catalog that was filled beforehand: no worker changes its jobs."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from staging.catalog import Catalog, migrate
from staging.core.jobs import JobDraft
from staging.core.source_spec import SourceSpec
from staging.local.ports import free_port
from tests.contract.api.service import fill
from tests.contract.catalog_steps import (
    NOW,
    a_draft,
    a_plan,
    a_receipt,
    begin,
    staged,
)
from tests.contract.reading.servers import answers, start

_TTL = int((datetime.now(UTC) - NOW + timedelta(days=2)).total_seconds())
"""Jobs of the prepared catalog are as old as NOW, and still there."""


@dataclass(frozen=True)
class Shelved:
    """The running API and its catalog."""

    url: str
    catalog: Catalog

    @staticmethod
    def now() -> datetime:
        """The time of the catalog's jobs."""
        return NOW

    def staged(self, name: str, partitions: int = 3, table: str = "public.lineitem") -> str:
        """A sealed job with one chunk a partition; gives its id."""
        return staged(self.catalog, partitions, _draft(name, table))

    def staged_in_thousands(self, name: str, partitions: int) -> str:
        """A sealed job with a thousand chunks a partition; gives its id."""
        catalog = self.catalog
        job_id = catalog.insert_job(_draft(name, "public.lineitem"), now=NOW).job.job_id
        catalog.record_plan(job_id, a_plan(partitions), now=NOW)
        catalog.start_job(job_id, now=NOW)
        for attempt in begin(catalog, job_id, partitions):
            catalog.publish_partition(a_receipt(attempt, *[100_000] * 1000), now=NOW)
        assert catalog.seal_job(job_id, now=NOW)
        return job_id


@contextmanager
def shelved_api(folder: Path) -> Iterator[Shelved]:
    """Start it, with the connections of the API's own tests."""
    fill(folder)
    url, port = f"sqlite:///{folder}/catalog.db", free_port()
    migrate(url)
    environment = {
        "STAGING_STATE_DIR": str(folder),
        "STAGING_CATALOG_URL": url,
        "STAGING_CONNECTIONS": str(folder / "connections.toml"),
        "STAGING_PORT": str(port),
        "STAGING_TEMPORAL_ADDRESS": f"127.0.0.1:{free_port()}",
        "STAGING_TICKET_KEY": "a key of tests",
        "AWS_ACCESS_KEY_ID": os.environ.get("AWS_ACCESS_KEY_ID", "an access key"),
        "AWS_SECRET_ACCESS_KEY": os.environ.get("AWS_SECRET_ACCESS_KEY", "a secret key"),
    }
    catalog = Catalog.open(url)
    server = start("api", environment, folder / "api.log")
    try:
        server.until(lambda: answers(port), seconds=120)
        yield Shelved(f"http://127.0.0.1:{port}", catalog)
    finally:
        server.stop()
        catalog.close()


def _draft(name: str, table: str) -> JobDraft:
    draft = a_draft(ttl_seconds=_TTL)
    return replace(draft, name=name, source=SourceSpec(connection="app", table=table))
