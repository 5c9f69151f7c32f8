"""Start the service's own processes, as an operator would, and stop them."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]


@dataclass
class Server:
    """A running process and the file that it logs to."""

    process: subprocess.Popen[bytes]
    log: Path

    def stop(self, seconds: float = 40) -> int:
        """Ask it to stop; give its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def until(self, is_ready: Callable[[], bool], seconds: float = 120) -> None:
        """Wait until it answers; the log is shown when it does not."""
        deadline = time.monotonic() + seconds
        while not is_ready():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)


def start(module: str, environment: Mapping[str, str], log: Path) -> Server:
    """Start `python -m module`."""
    with log.open("ab") as into:
        process = subprocess.Popen(
            [sys.executable, "-m", module],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=into,
            stderr=into,
        )
    return Server(process, log)


def answers(port: int) -> bool:
    """Tell whether something listens."""
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0
