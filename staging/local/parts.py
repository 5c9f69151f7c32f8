"""The parts of the embedded stack, as one table: how each starts, and when it is ready."""

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from staging.local import probes
from staging.local.child import Program
from staging.local.layout import Layout
from staging.local.ports import LOOPBACK
from staging.local.programs import find_program, temporal_server_version
from staging.local.seaweed import remove_sockets, seaweed

_OBJECT_STORE_BYTES = 300_000_000
"""Receipts are small; record batches never pass through Ray's object store."""
_SESSIONS_KEPT = 3


def _nothing(_: Layout) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Part:
    """One part: `after` are the parts that must be ready first.

    A step (`is_step`) is ready when it has ended with 0, and is not watched afterwards.
    """

    name: str
    program: Callable[[Layout], Program]
    check: Callable[[Layout], None]
    """Raises NotReady until the part does its work."""
    url: Callable[[Layout], str | None]
    after: tuple[str, ...] = ()
    deadline_seconds: float = 240.0
    is_step: bool = False
    tidy: Callable[[Layout], None] = _nothing
    """Removes what the part leaves behind when it ends."""


def temporal(layout: Layout) -> Program:
    """Run Temporal's development server on a file; an old server's file is left alone."""
    program = find_program("temporal")
    database = layout.folder.root / f"temporal-{temporal_server_version(program)}.db"
    command = [program, "server", "start-dev", "--ip", LOOPBACK, "--ui-disable-news-fetch"]
    ports = ["--port", str(layout.ports.temporal), "--ui-port", str(layout.ports.temporal_ui)]
    namespace = ["--namespace", layout.settings.temporal_namespace]
    kept = ["--db-filename", str(database), "--log-level", "warn"]
    return _program(layout, "temporal", [*command, *ports, *namespace, *kept])


def s3(layout: Layout) -> Program:
    """Run SeaweedFS with the stack's own keys."""
    return seaweed(
        layout.folder.s3,
        layout.ports.s3,
        layout.folder.log("s3"),
        layout.environment(),
        layout.settings.s3_bucket,
    )


def ray(layout: Layout) -> Program:
    """Run a Ray head.

    Ray listens on every interface whatever it is told, so its token is what guards it.  Workers
    take any free port: Ray's own range would meet the ports of other parts.
    """
    _drop_old_sessions(layout.ray_folder)
    layout.ray_folder.mkdir(exist_ok=True, mode=0o700)
    cpus = max(2, os.cpu_count() or 1)
    command = [str(Path(sys.executable).parent / "ray"), "start", "--head", "--block"]
    options = {
        "--port": layout.ports.ray,
        "--node-name": "head",
        "--temp-dir": layout.ray_folder,
        "--num-cpus": cpus,
        "--object-store-memory": _OBJECT_STORE_BYTES,
        "--include-dashboard": "false",
        "--include-log-monitor": "false",  # the worker does not listen to it
        "--min-worker-port": 0,
        "--max-worker-port": 0,
    }
    flags = [f"{name}={value}" for name, value in options.items()]
    return _program(
        layout,
        "ray",
        [*command, *flags, "--disable-usage-stats"],
        layout.ray_environment(),
        grace_seconds=1,  # it would drain for 30 s, but whoever had work there is gone
    )


def migration(layout: Layout) -> Program:
    """Bring the catalog's tables up to date."""
    return _program(layout, "migration", [sys.executable, "-m", "staging.local.migration"])


def api(layout: Layout) -> Program:
    """Run the API."""
    return _program(layout, "api", [sys.executable, "-m", "api"])


def worker(layout: Layout) -> Program:
    """Run the workflow worker."""
    layout.folder.ready_file.unlink(missing_ok=True)
    return _program(layout, "worker", [sys.executable, "-m", "workflows"], grace_seconds=15)


def flight(layout: Layout) -> Program:
    """Run the Flight server."""
    return _program(layout, "flight", [sys.executable, "-m", "flight_server"], grace_seconds=8)


def _program(
    layout: Layout,
    name: str,
    command: Sequence[str],
    environment: dict[str, str] | None = None,
    *,
    grace_seconds: float = 6,
) -> Program:
    return Program(
        command,
        layout.folder.log(name),
        environment or layout.environment(),
        cwd=layout.folder.root,
        grace_seconds=grace_seconds,
    )


def _drop_old_sessions(ray_folder: Path) -> None:
    """Delete the logs of all but the last few of Ray's lives; none of them is running now."""
    for session in sorted(ray_folder.glob("session_2*"))[:-_SESSIONS_KEPT]:
        shutil.rmtree(session, ignore_errors=True)


PARTS = (
    Part("temporal", temporal, probes.temporal_serves, lambda layout: layout.temporal_address),
    Part(
        "s3",
        s3,
        probes.s3_stores,
        lambda layout: layout.s3_endpoint,
        tidy=lambda layout: remove_sockets(layout.ports.s3),
    ),
    Part(
        "ray",
        ray,
        probes.ray_runs_a_task,
        lambda layout: layout.ray_address,
    ),
    Part("migration", migration, _nothing, _nothing, is_step=True),
    Part(
        "api",
        api,
        probes.api_is_ready,
        lambda layout: layout.api_url,
        after=("migration",),
    ),
    Part(
        "worker",
        worker,
        probes.worker_polls,
        _nothing,
        after=("migration", "s3"),
    ),
    Part(
        "flight",
        flight,
        probes.flight_lists,
        lambda layout: layout.flight_location,
        after=("migration",),
    ),
)
"""In the order of starting; stopped in the reverse order."""
PART_NAMES = tuple(each.name for each in PARTS if not each.is_step)
LOG_NAMES = (*(each.name for each in PARTS), "nodes", "supervisor")
