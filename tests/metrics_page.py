"""Write the page of all metrics, read from the registries: `python -m tests.metrics_page`."""

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from api.metrics import Metrics
from cluster.session import RaySession
from flight_server.cache import Cache
from flight_server.metrics import FlightMetrics
from staging.catalog import Catalog, migrate
from staging.sources.connections import Connections
from workflows.budgets import Budgets
from workflows.cluster_size import ClusterSize
from workflows.metrics import WorkerMetrics

PAGE = Path(__file__).parents[1] / "docs/reference/metrics.md"
TEMPORAL = (
    ("temporal_workflow_task_execution_failed_total", "Workflow tasks that failed: our defect."),
    ("temporal_activity_execution_failed_total", "Steps that failed, by `activity_type`; retried."),
    ("temporal_activity_schedule_to_start_latency_seconds", "How long steps wait for a worker."),
    ("temporal_worker_task_slots_available", "Free slots, by `worker_type`; 0: add a worker."),
    ("temporal_request_failure_total", "Calls to Temporal that failed, by `operation`."),
)
_HEAD = """\
# Metrics

Prometheus' text form, by HTTP, at `/metrics`. Each process counts for itself and starts at 0:
add up the counters of all workers and of all Flight servers. Labels take few values: states,
outcomes, error codes, routes, and the names in `connections.toml`; never an id.

| Process | Where | Embedded stack |
|---|---|---|
| API | `STAGING_PORT`, always | 8003 |
| Flight | `STAGING_FLIGHT_METRICS_PORT`, none unless set | 8816 |
| worker | `STAGING_WORKER_METRICS_PORT`, none unless set | 8817 |
| worker, Temporal's SDK | `STAGING_TEMPORAL_METRICS_PORT`, none unless set | 8818 |

All of them listen on `STAGING_HOST`, the loopback unless set; another host needs
`STAGING_INSECURE_BIND=1`, as for the API. The embedded stack takes other ports where these are
taken; `staging status` shows them. A port that is set and cannot be had ends the process with 2.
Every process also shows Prometheus' own `process_*`: memory, CPU seconds, open files.
"""
_TABLE = "| Metric | Type | Labels | Meaning |\n|---|---|---|---|\n"
_TEMPORAL = """
## Worker, Temporal's SDK

The SDK has some forty more, all named `temporal_*`, with the labels `namespace` and `task_queue`;
these tell most. A metric appears with its first event.

| Metric | Meaning |
|---|---|
"""
_OUTCOMES = """
`outcome` of an attempt is `published`, `failed`, `stale` (its fence was old) or `stopped` (by a
pause, a cancel, a shutdown or a newer run of the step); `code` is that of the
[error](../../staging/core/errors.py), empty unless it failed. `stage` is `read`, `wait`,
`encode` or `upload`. `loop` is `reconcile`, `janitor` or `snapshots`.
Garbage that is `found` and not
`deleted` is deleted in the next round, and counted again; two workers may both find, and delete,
the same object.
"""
_STREAMS = """
`outcome` of a call is `ok`, `cancelled`, `unavailable`, `unauthenticated`, `unauthorized`,
`not_found`, `invalid`, `unimplemented` or `failed`. `staging_flight_streams_refused_total` counts
those of `unavailable` that found every slot taken.
"""


def page_text() -> str:
    """Give the page."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = f"sqlite:///{folder}/catalog.db"
        migrate(url)
        catalog = Catalog.open(url)
        registry = folder / "connections.toml"
        registry.write_text('[connections.files]\nkind = "csv"\nroot = "."\n')
        worker = WorkerMetrics().registry
        worker.register(Budgets(catalog, Connections(registry)))
        worker.register(ClusterSize(RaySession("127.0.0.1:1")))
        sections = (
            ("API", Metrics(catalog).registry, ""),
            ("Worker", worker, _OUTCOMES),
            ("Flight", FlightMetrics(Cache(folder, 0)).registry, _STREAMS),
        )
        text = _HEAD + "".join(
            f"\n## {title}\n\n{_TABLE}{''.join(_rows(of))}{after}" for title, of, after in sections
        )
        catalog.close()
    return text + _TEMPORAL + "".join(f"| `{name}` | {said} |\n" for name, said in TEMPORAL)


def _rows(registry: CollectorRegistry) -> Iterator[str]:
    for family in registry.collect():
        if family.name.startswith("process_"):
            continue
        named = ", ".join(f"`{label}`" for label in _labels(registry, family))
        name = family.name + {"counter": "_total", "info": "_info"}.get(family.type, "")
        kind = "gauge" if family.type == "info" else family.type
        yield f"| `{name}` | {kind} | {named} | {family.documentation} |\n"


def _labels(registry: CollectorRegistry, family: Metric) -> Iterable[str]:
    """Name the labels; a counter that has counted nothing yet has no samples to tell them."""
    collector = registry._names_to_collectors.get(family.name, family)
    named = getattr(collector, "_labelnames", ())
    return named or (family.samples[0].labels if family.type == "info" else ())


if __name__ == "__main__":
    PAGE.write_text(page_text())
