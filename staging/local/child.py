"""Start a program behind a guard, so that it cannot outlive this process."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from staging.local import guard
from staging.local.errors import StackTimedOut


@dataclass(frozen=True, slots=True)
class Program:
    """One program to run: its arguments, environment, log file and way to stop."""

    command: Sequence[str]
    log: Path
    environment: Mapping[str, str] | None = None
    cwd: Path | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    grace_seconds: float = 5.0
    uid: int | None = None


@dataclass(slots=True)
class Child:
    """A running program and the guard between it and us."""

    pid: int
    guard: "subprocess.Popen[bytes]" = field(repr=False)

    def poll(self) -> int | None:
        """Return the exit status when the program and all it left behind are gone."""
        return self.guard.poll()

    def stop(self, *, timeout_seconds: float = 30.0) -> None:
        """Stop the program with its signal, kill it after its grace; return when it is gone.

        Raises StackTimedOut if it is not gone by then.
        """
        if self.guard.poll() is None:
            self.guard.terminate()
        try:
            self.wait(timeout_seconds)
        except subprocess.TimeoutExpired as late:
            raise StackTimedOut(
                f"the program of pid {self.pid} did not end in {timeout_seconds:g} s"
            ) from late

    def wait(self, timeout_seconds: float | None = None) -> int:
        """Wait for the end; the exit status is the shell's (128 + signal)."""
        status = self.guard.wait(timeout_seconds)
        if self.guard.stdin is not None:
            with contextlib.suppress(OSError):
                self.guard.stdin.close()
        return status


def start(program: Program) -> Child:
    """Start a program; it ends when this process does, whatever the reason."""
    program.log.parent.mkdir(parents=True, exist_ok=True)
    report, reporter = os.pipe()
    uid = "-" if program.uid is None else str(program.uid)
    orders = [str(reporter), str(int(program.stop_signal)), str(program.grace_seconds), uid]
    with program.log.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", guard.__file__, *orders, *program.command],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=(reporter,),
            env=dict(program.environment) if program.environment is not None else None,
            cwd=program.cwd,
            start_new_session=True,
        )
    os.close(reporter)
    with os.fdopen(report) as pid:
        return Child(int(pid.readline() or process.pid), process)
