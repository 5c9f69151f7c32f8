"""The worker: `python -m workflows` polls Temporal, drives Ray, and keeps the loops going."""

import asyncio
import signal
import socket
import sys
from concurrent.futures import ThreadPoolExecutor

import structlog
from temporalio.client import Client
from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig

from staging.exposition import MetricsPortTaken, show_metrics
from staging.logs import configure_logging, log_crashes
from staging.settings import InsecureBind, Settings, settings
from staging.temporal_tracing import tracing_interceptors
from staging.tracing import TracingMissing, start_tracing
from workflows.loops import run_loops
from workflows.wiring import ACTIVITY_SLOTS, build_parts, build_worker

_RAY_SECONDS = 60.0
_log = structlog.get_logger(__name__)


async def main(chosen: Settings) -> int:
    """Run until SIGTERM or SIGINT; gives the exit code: 1 without Ray, 2 if not set up."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    parts = build_parts(chosen)
    try:
        show_metrics(parts.metrics.registry, chosen.listen_host, chosen.worker_metrics_port)
        runtime = _runtime(chosen)
        start_tracing("worker", chosen.trace_endpoint)
    except (InsecureBind, MetricsPortTaken, TracingMissing) as wrong:
        print(f"workflows: {wrong}", file=sys.stderr)  # noqa: T201  # before there is a worker
        return 2
    session = parts.session

    def on_connect() -> None:
        parts.holders.join_cluster()
        loop.call_soon_threadsafe(_listen_for_stop, loop, stop)

    _listen_for_stop(loop, stop)
    session.start(on_connect)
    if not await asyncio.to_thread(session.wait_connected, _RAY_SECONDS):
        _log.error("ray_unreachable", address=session.address, seconds=_RAY_SECONDS)
        return 1
    await asyncio.to_thread(parts.store.ensure_bucket, create=chosen.s3_create_bucket)
    client = await _connect(chosen, runtime)
    with ThreadPoolExecutor(ACTIVITY_SLOTS, thread_name_prefix="activity") as executor:
        async with build_worker(client, parts, executor):
            loops = asyncio.create_task(run_loops(parts, client))
            if chosen.ready_file is not None:
                chosen.ready_file.touch()
            await asyncio.wait(
                [loops, asyncio.create_task(stop.wait())], return_when=asyncio.FIRST_COMPLETED
            )
            loops.cancel()
    session.close()
    return 0


def _listen_for_stop(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """Stop by SIGTERM and SIGINT; done again after each `ray.init`, which takes them over."""
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)


def _runtime(chosen: Settings) -> Runtime | None:
    """Make the SDK's runtime that shows its own metrics; None if they are not asked for.

    Raises InsecureBind, MetricsPortTaken.
    """
    if chosen.temporal_metrics_port is None:
        return None
    # The SDK takes no names, `localhost` neither.
    host = socket.gethostbyname(chosen.listen_host)
    address = f"{host}:{chosen.temporal_metrics_port}"
    shown = PrometheusConfig(
        address, counters_total_suffix=True, unit_suffix=True, durations_as_seconds=True
    )
    try:
        return Runtime(telemetry=TelemetryConfig(metrics=shown))
    except (RuntimeError, ValueError) as refused:
        raise MetricsPortTaken(f"metrics cannot be shown on {address}: {refused}") from refused


async def _connect(chosen: Settings, runtime: Runtime | None) -> Client:
    """Connect to Temporal, waiting for it as long as it takes."""
    while True:
        try:
            return await Client.connect(
                chosen.temporal_address,
                namespace=chosen.temporal_namespace,
                interceptors=tracing_interceptors(),
                runtime=runtime,
            )
        except RuntimeError as refused:
            _log.warning("temporal_refused", address=chosen.temporal_address, error=str(refused))
            await asyncio.sleep(1)


if __name__ == "__main__":
    configure_logging(settings().log_level, settings().secrets)
    log_crashes()
    sys.exit(asyncio.run(main(settings())))
