"""What a supervisor tells the other commands: one small file, replaced at every change."""

import json
import signal
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path

import psutil

from staging.local.folder import StateFolder

RETRY_SIGNAL = signal.SIGUSR1
"""Tells a supervisor to start again what it has given up."""
_SAME_START_SECONDS = 0.05


class PartState(StrEnum):
    """What a part is doing."""

    STOPPED = "stopped"
    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    RESTARTING = "restarting"
    FAILED = "failed"
    EXTERNAL = "external"


class StackState(StrEnum):
    """What the whole stack is doing.

    `degraded`: a part was given up after all had been ready; `recovering`: it is tried again.
    """

    STARTING = "starting"
    READY = "ready"
    DEGRADED = "degraded"
    RECOVERING = "recovering"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class PartStatus:
    """One line of `staging status`."""

    name: str
    state: PartState
    pid: int | None = None
    url: str | None = None
    log: str | None = None

    @classmethod
    def never_started(cls, name: str, log: Path) -> "PartStatus":
        """Describe a part of a stack that was never started."""
        return cls(name, PartState.STOPPED, log=str(log))


@dataclass(frozen=True, slots=True)
class Run:
    """One life of a supervisor; `started_at` tells its pid from a later process's."""

    pid: int
    started_at: float
    state: StackState
    parts: tuple[PartStatus, ...] = ()
    notices: tuple[str, ...] = ()
    error: str | None = None
    error_code: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    """The settings of the stack's own processes, without secrets."""
    ports: Mapping[str, int] = field(default_factory=dict)
    ray_folder: str | None = None

    def is_alive(self) -> bool:
        """Tell whether that very supervisor still runs; a reused pid is no sign of life."""
        return is_same_process(self.pid, self.started_at)


def started_at(pid: int) -> float:
    """Return when a process started, in seconds since the epoch."""
    return float(psutil.Process(pid).create_time())


def is_same_process(pid: int, start: float) -> bool:
    """Tell whether the process that started then is still running under that pid."""
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - start) < _SAME_START_SECONDS
        return same and bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def write_run(folder: StateFolder, run: Run) -> None:
    """Write the file anew."""
    folder.replace(folder.run_file, json.dumps(asdict(run), indent=1))


def read_run(folder: StateFolder) -> Run | None:
    """Read the last run, living or not; None when there was none that can be read."""
    try:
        plain = json.loads(folder.run_file.read_text())
        parts = tuple(
            PartStatus(**(each | {"state": PartState(each["state"])})) for each in plain["parts"]
        )
        state = StackState(plain["state"])
        return Run(**(plain | {"state": state, "parts": parts, "notices": tuple(plain["notices"])}))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def living_run(folder: StateFolder) -> Run | None:
    """Read the run of the supervisor that is alive now, if one is."""
    run = read_run(folder)
    return run if run is not None and run.is_alive() else None


def as_stopped(run: Run) -> Run:
    """Describe a run whose supervisor is gone."""
    parts = tuple(
        each
        if each.state is PartState.EXTERNAL
        else replace(each, state=PartState.STOPPED, pid=None)
        for each in run.parts
    )
    return replace(run, state=StackState.STOPPED, parts=parts)
