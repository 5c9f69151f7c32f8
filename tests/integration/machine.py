"""A state folder, and the commands of a person who works with the stack in it."""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from staging.local.folder import StateFolder
from staging.local.runfile import read_run
from staging.local.running import layout_of

STAGING = str(Path(sys.executable).parent / "staging")


@dataclass
class Machine:
    """One state folder and the commands of a person who works with it."""

    root: Path
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        return dict(os.environ) | {"STAGING_STATE_DIR": str(self.root)} | self.settings

    def staging(self, *words: str, text: str = "") -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [STAGING, *words],
            check=False,
            env=self.environment,
            cwd=self.root.parent,
            input=text,
            capture_output=True,
            text=True,
            timeout=500,
        )

    def up(self, *words: str) -> "subprocess.CompletedProcess[str]":
        done = self.staging("up", "-d", "--port", "0", *words)
        assert done.returncode == 0, done.stderr + (self.root / "logs/supervisor.log").read_text()
        return done

    def parts(self) -> dict[str, dict[str, Any]]:
        plain = json.loads(self.staging("status", "--json").stdout)
        assert list(plain) == ["parts", "metrics"]
        return {part["name"]: part for part in plain["parts"]}

    def pids(self) -> dict[str, int]:
        return {name: part["pid"] for name, part in self.parts().items()}

    def supervisor(self) -> psutil.Process:
        run = read_run(StateFolder(self.root))
        assert run is not None
        return psutil.Process(run.pid)

    def run_a_ray_task(self) -> None:
        """Make Ray start workers, the processes that are hardest to end."""
        folder = StateFolder(self.root)
        run = read_run(folder)
        assert run is not None
        layout = layout_of(folder, run)
        command = [sys.executable, "-m", "cluster.probe", layout.ray_address]
        subprocess.run(command, env=layout.ray_environment(), check=True, timeout=120)

    def until(self, name: str, state: str, *, other_pid_than: int) -> dict[str, Any]:
        deadline = time.monotonic() + 180
        while True:
            part = self.parts()[name]
            if part["state"] == state and part["pid"] != other_pid_than:
                return part
            assert time.monotonic() < deadline, part
            time.sleep(0.5)


def family(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


def assert_gone(processes: list[psutil.Process], seconds: float = 100) -> None:
    """Wait for the ends; a zombie that a container's init forgets to collect has ended too."""
    deadline = time.monotonic() + seconds
    while alive := [each for each in processes if is_alive(each)]:
        assert time.monotonic() < deadline, alive
        time.sleep(0.1)


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
