"""Build what the worker needs from its settings."""

from concurrent.futures import Executor

from temporalio.client import Client
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from cluster.extract import Telemetry
from cluster.holders import SnapshotHolders
from cluster.session import RaySession
from staging.catalog import Catalog
from staging.core.contracts import TASK_QUEUE
from staging.settings import Settings
from staging.sources.connections import Connections
from staging.storage.objects import ObjectStore, StoreConfig
from workflows.activities import JobActivities
from workflows.budgets import Budgets
from workflows.cluster_size import ClusterSize
from workflows.job import StagingJob
from workflows.metrics import WorkerMetrics
from workflows.parts import Parts
from workflows.policies import GRACEFUL_SHUTDOWN, HEARTBEAT

ACTIVITY_SLOTS = 64
_PASSED_THROUGH = ("staging", "workflows", "opentelemetry")
_LOCAL_RAY = "127.0.0.1:6379"


def build_parts(settings: Settings) -> Parts:
    """Open the catalog, the connections and the store; Ray is connected by `session.start`."""
    session = RaySession(settings.ray_address or _LOCAL_RAY)
    store_config = StoreConfig.from_settings(settings)
    catalog = Catalog.open(settings.effective_catalog_url)
    connections = Connections(settings.connections)
    metrics = WorkerMetrics()
    metrics.registry.register(Budgets(catalog, connections))
    metrics.registry.register(ClusterSize(session))
    return Parts(
        catalog=catalog,
        connections=connections,
        store=ObjectStore(store_config),
        store_config=store_config,
        session=session,
        holders=SnapshotHolders(session),
        metrics=metrics,
        telemetry=Telemetry(settings.log_level, settings.trace_endpoint),
        purge_grace=settings.purge_grace,
        garbage_grace=settings.garbage_grace,
    )


def build_worker(client: Client, parts: Parts, executor: Executor) -> Worker:
    """Build the worker of the one task queue."""
    steps = JobActivities(parts)
    restrictions = SandboxRestrictions.default.with_passthrough_modules(*_PASSED_THROUGH)
    return Worker(
        client,
        task_queue=TASK_QUEUE,
        workflows=[StagingJob],
        workflow_runner=SandboxedWorkflowRunner(restrictions=restrictions),
        activities=[
            steps.observe,
            steps.plan,
            steps.stage_batch,
            steps.seal,
            steps.settle_pause,
            steps.release_snapshot,
            steps.expire,
            steps.finish_cancel,
            steps.fail,
            steps.purge,
        ],
        activity_executor=executor,
        max_concurrent_activities=ACTIVITY_SLOTS,
        graceful_shutdown_timeout=GRACEFUL_SHUTDOWN,
        default_heartbeat_throttle_interval=HEARTBEAT,
        max_heartbeat_throttle_interval=HEARTBEAT,
    )
