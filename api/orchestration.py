"""Tell Temporal that a job is there or has changed; the catalog stays the truth."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Protocol

import structlog
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.service import RPCError

from staging.core.contracts import TASK_QUEUE, WORKFLOW, Signal
from staging.core.errors import OrchestrationUnavailable
from staging.temporal_tracing import tracing_interceptors

PATIENCE = timedelta(seconds=2)
_log = structlog.get_logger(__name__)


class Orchestration(Protocol):
    """Whoever runs the workflow of a job."""

    async def start(self, job_id: str) -> None:
        """Start the job's workflow unless it runs; raises OrchestrationUnavailable."""
        ...

    async def signal(self, job_id: str, signal: Signal) -> None:
        """Wake the job's workflow, started if it does not run; raises OrchestrationUnavailable."""
        ...

    async def check(self) -> None:
        """Raise OrchestrationUnavailable unless it answers."""
        ...


class TemporalOrchestration:
    """Temporal, connected when it is first needed and again whenever it came back."""

    def __init__(self, address: str, namespace: str) -> None:
        self._address = address
        self._namespace = namespace
        self._client: Client | None = None

    async def start(self, job_id: str) -> None:
        """Start the job's workflow unless it runs."""
        await self._start(job_id, None)

    async def signal(self, job_id: str, signal: Signal) -> None:
        """Signal with start, so that a job that lost its workflow gets one."""
        await self._start(job_id, signal)

    async def check(self) -> None:
        """Ask Temporal's health service."""
        async with _translated():
            client = await self._connected()
            if not await client.service_client.check_health(timeout=PATIENCE):
                raise OrchestrationUnavailable("Temporal says that it does not serve")

    async def _start(self, job_id: str, signal: Signal | None) -> None:
        async with _translated():
            client = await self._connected()
            await client.start_workflow(
                WORKFLOW,
                job_id,
                id=job_id,
                task_queue=TASK_QUEUE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                start_signal=None if signal is None else signal.value,
                rpc_timeout=PATIENCE,
            )

    async def _connected(self) -> Client:
        """Give the client; a lazy one reaches for the network only when it is used."""
        if self._client is None:
            self._client = await Client.connect(
                self._address,
                namespace=self._namespace,
                interceptors=tracing_interceptors(),
                lazy=True,
                connect_timeout=PATIENCE,
            )
        return self._client


@asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    """Bound the wait by PATIENCE and turn Temporal's own errors into ours."""
    try:
        async with asyncio.timeout(PATIENCE.total_seconds()):
            yield
    except (RPCError, RuntimeError, TimeoutError) as down:
        # The bridge raises RuntimeError when it cannot connect.
        raise OrchestrationUnavailable() from down


async def wake(orchestration: Orchestration, job_id: str, signal: Signal | None = None) -> None:
    """Start or signal the job's workflow; a failure is logged and left to the reconciler."""
    try:
        await (
            orchestration.start(job_id) if signal is None else orchestration.signal(job_id, signal)
        )
    except OrchestrationUnavailable as down:
        _log.warning("workflow_not_told", job_id=job_id, signal=signal, error=down.detail)
