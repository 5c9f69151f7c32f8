"""What the worker's activities and loops work with, built once in wiring."""

from dataclasses import dataclass, field
from datetime import timedelta

from cluster.extract import Telemetry
from cluster.holders import SnapshotHolders
from cluster.session import RaySession
from staging.catalog import Catalog
from staging.core.contracts import Standing
from staging.core.jobs import Job
from staging.sources.connections import Connection, Connections
from staging.storage.objects import ObjectStore, StoreConfig
from workflows.clock import now
from workflows.metrics import WorkerMetrics
from workflows.turns import Lines


@dataclass(frozen=True, slots=True)
class Parts:
    """The four things outside, the two graces, what counts, what is told of it, who waits."""

    catalog: Catalog
    connections: Connections
    store: ObjectStore
    store_config: StoreConfig
    session: RaySession
    holders: SnapshotHolders
    metrics: WorkerMetrics
    telemetry: Telemetry
    purge_grace: timedelta
    garbage_grace: timedelta
    lines: Lines = field(default_factory=Lines)

    def standing(self, job_id: str) -> Standing:
        """Where the job stands now."""
        return self.catalog.standing(job_id, now=now(), purge_grace=self.purge_grace)

    def connection(self, job: Job) -> Connection:
        """The job's connection with its secret, for readers."""
        return self.connections.get(job.org_id, job.source.connection).resolved()

    def release(self, job_id: str) -> None:
        """Let the job's snapshot go, if it has one and does not need it any more.

        Its two sessions count against the budget no more while they are closed, and what a crash
        leaves open between the two steps is closed by the SnapshotSweeper.
        """
        job = self.catalog.job_by_id(job_id)
        is_released = self.catalog.release_snapshot(job_id, now=now())
        if is_released and job.snapshot is not None and job.snapshot.exports:
            self.holders.release(job_id)
