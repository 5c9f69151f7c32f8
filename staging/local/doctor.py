"""Check a running stack part by part; every finding comes with its fix."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil

from staging.core.errors import StagingError
from staging.local import checkups, clocks
from staging.local.errors import ServerMissing
from staging.local.folder import StateFolder
from staging.local.layout import Layout
from staging.local.listening import strangers_can_reach
from staging.local.parts import PARTS
from staging.local.probes import NotReady
from staging.local.programs import find_program
from staging.local.runfile import PartState, Run, living_run
from staging.local.running import layout_of
from staging.settings import is_loopback

_LEAST_FREE_BYTES = 1 << 30
_TAKE_HOST = ("api", "worker", "flight")
"""Parts that listen where STAGING_HOST says."""
_SET_CLOCK = "set both machines' clocks by NTP; this one's offset: chronyc tracking"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's: what was looked at, and how to mend it if it is not well."""

    what: str
    is_ok: bool
    fix: str = ""


def examine(folder: StateFolder) -> Iterator[Finding]:
    """Check programs, secrets, parts, ports, tables, connections and space, in that order.

    This process's environment becomes that of the stack, keys included.
    """
    yield from _programs()
    yield from _secrets(folder)
    run = living_run(folder)
    yield Finding("the stack runs", run is not None, "start it: staging up -d")
    if run is None:
        return
    layout = layout_of(folder, run)
    os.environ.update(layout.environment())
    yield from _parts(layout, run)
    yield from _builds(layout)
    for what, check, fix in _CHECKS:
        yield _judge(what, partial(check, layout), fix)
    yield _references(layout, run)
    yield from _ports(run)
    yield _space(folder)


def _programs() -> Iterator[Finding]:
    for name in ("temporal", "weed"):
        try:
            yield Finding(f"{name} is installed: {find_program(name)}", True)
        except ServerMissing as missing:
            yield Finding(f"{name} is installed", False, missing.detail)
    ray = Path(sys.executable).parent / "ray"
    yield Finding("ray is installed", ray.exists(), "run pip install ray")


def _secrets(folder: StateFolder) -> Iterator[Finding]:
    for file in sorted(folder.secrets.glob("*")):
        mode = file.stat().st_mode & 0o777
        if mode != 0o600:
            yield Finding(f"{file} is for its owner only", False, f"chmod 600 {file}")


def _parts(layout: Layout, run: Run) -> Iterator[Finding]:
    checks = {part.name: part.check for part in PARTS}
    for part in run.parts:
        log = f"read its log: staging logs {part.name}; then: staging down; staging up -d"
        where = f"{part.name} does its work" + (f" at {part.url}" if part.url else "")
        yield _judge(where, partial(checks[part.name], layout), log)


def _builds(layout: Layout) -> Iterator[Finding]:
    for name, (url, *_) in layout.metrics_urls().items():
        yield _judge(
            f"{name} runs the code that is installed",
            partial(checkups.runs_this_build, url),
            "start it anew with this code: staging down; staging up -d",
        )


def _judge(what: str, check: Callable[[], None], fix: str) -> Finding:
    try:
        check()
    except NotReady as problem:
        return Finding(f"{what}: {problem}", False, fix)
    except StagingError as problem:
        return Finding(f"{what}: {problem.detail}", False, fix)
    return Finding(what, True)


def _references(layout: Layout, run: Run) -> Finding:
    """Look in the environment that the stack was started with, which is not the doctor's."""
    [worker] = [each.pid for each in run.parts if each.name == "worker"]
    environment: dict[str, str] = {}
    with suppress(psutil.NoSuchProcess):  # it ends just now, and its own line says so
        environment = {} if worker is None else psutil.Process(worker).environ()
    return _judge(
        "the passwords of all connections are there",
        partial(checkups.secrets_are_there, layout, environment),
        "set the variable or write the file, then: staging down; staging up -d",
    )


def _ports(run: Run) -> Iterator[Finding]:
    """Look at what each part opens; Ray and its driver open every interface by themselves.

    Their token was checked instead, so of the driver's, the worker's, only our own ports count.
    """
    host = run.environment.get("STAGING_HOST", "")
    metrics = {run.ports.get("worker_metrics"), run.ports.get("temporal_metrics")}
    for part in run.parts:
        if part.pid is None or part.state is PartState.EXTERNAL or part.name == "ray":
            continue
        is_told = part.name in _TAKE_HOST and not is_loopback(host) and host != "localhost"
        found = strangers_can_reach(part.pid)
        yield listening(
            part.name,
            [at for at in found if part.name != "worker" or _port(at) in metrics],
            host if is_told else None,
        )


def listening(name: str, open_to_all: Sequence[str], told: str | None) -> Finding:
    """Judge the addresses at which strangers reach a part; `told` is the host it was told."""
    if told is not None:
        return Finding(f"{name} listens on {told}, as STAGING_HOST says", True)
    return Finding(
        f"{name} listens on the loopback only"
        + (f", but for {', '.join(open_to_all)}" if open_to_all else ""),
        not open_to_all,
        "close these ports to other machines: unset what made it listen there, or set a firewall",
    )


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])


def _space(folder: StateFolder) -> Finding:
    free = shutil.disk_usage(folder.root).free
    return Finding(
        f"{free >> 20} MiB are free for {folder.root}",
        free >= _LEAST_FREE_BYTES,
        "make room, or set STAGING_STATE_DIR to a folder on a larger disk",
    )


_CHECKS: tuple[tuple[str, Callable[[Layout], None], str], ...] = (
    (
        "the store refuses to overwrite an object",
        checkups.s3_puts_once,
        "use a store that honours If-None-Match: *",
    ),
    (
        "a link can be read where consumers read it",
        checkups.link_reaches,
        "set STAGING_S3_PUBLIC_ENDPOINT to the store's address for consumers, exactly as they use"
        " it: host and port are signed",
    ),
    (
        "the store's clock is this machine's",
        lambda layout: clocks.store_clock(layout.s3_endpoint),
        _SET_CLOCK,
    ),
    (
        "the catalog's clock is this machine's",
        lambda layout: clocks.catalog_clock(layout.catalog_url),
        _SET_CLOCK,
    ),
    (
        "Temporal's clock is this machine's",
        lambda layout: clocks.temporal_clock(
            layout.temporal_address, layout.settings.temporal_namespace
        ),
        _SET_CLOCK,
    ),
    (
        "the catalog's tables are those of this version",
        checkups.catalog_is_current,
        "migrate them: staging down; staging up -d",
    ),
    (
        "Ray refuses a caller without its token",
        checkups.ray_refuses_strangers,
        "set RAY_AUTH_MODE=token for the Ray head and its callers",
    ),
    (
        "connections.toml can be read",
        checkups.connections_are_valid,
        "mend the file: staging connections list",
    ),
)
