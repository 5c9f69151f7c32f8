"""The one folder that holds all state of an embedded stack, and where each thing is in it."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from staging.local.errors import StackError

_LARGEST_LOG_BYTES = 20 * 1024 * 1024
_OWNED = ("s3", "ray", "logs", "run", "secrets", "flight-cache")
_OWNED_FILES = ("catalog.db*", "temporal-*.db*")


@dataclass(frozen=True, slots=True)
class StateFolder:
    """Paths below the state folder; only its owner may enter it."""

    root: Path

    def create(self) -> None:
        """Create what is missing; raises StackError where no folder can be."""
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            for each in (self.run, self.logs, self.secrets):
                each.mkdir(exist_ok=True, mode=0o700)
        except OSError as refused:
            raise StackError(
                f"{refused.filename} cannot be a folder ({refused.strerror}); "
                "set STAGING_STATE_DIR to one that can"
            ) from refused

    @property
    def run(self) -> Path:
        """What the supervisor writes about itself."""
        return self.root / "run"

    @property
    def run_file(self) -> Path:
        """The state of every part (runfile.py)."""
        return self.run / "stack.json"

    @property
    def lock_file(self) -> Path:
        """Locked for as long as a supervisor lives."""
        return self.run / "lock"

    @property
    def ready_file(self) -> Path:
        """The worker touches it when it polls Temporal and Ray answers."""
        return self.run / "worker.ready"

    @property
    def orders_file(self) -> Path:
        """The worker nodes that operators want (node_orders.py)."""
        return self.run / "node-orders.json"

    @property
    def orders_lock(self) -> Path:
        """Locked for as long as an operator changes the cluster."""
        return self.run / "node-orders.lock"

    @property
    def nodes_file(self) -> Path:
        """The worker nodes that there are (node_report.py)."""
        return self.run / "nodes.json"

    @property
    def autoscale_file(self) -> Path:
        """The limits that the autoscaler keeps to (autoscale_orders.py)."""
        return self.run / "autoscale.json"

    @property
    def autoscale_report(self) -> Path:
        """What the autoscaler last saw (autoscale_orders.py)."""
        return self.run / "autoscale-report.json"

    @property
    def launch_wish(self) -> Path:
        """The workers that a launched cluster is to have (launch_wish.py)."""
        return self.run / "launch-wish.json"

    @property
    def launcher_file(self) -> Path:
        """The operator's file of the launcher, with other numbers of workers."""
        return self.run / "ray-cluster.yaml"

    @property
    def logs(self) -> Path:
        """One log a part, and the supervisor's own."""
        return self.root / "logs"

    @property
    def secrets(self) -> Path:
        """Generated keys, one file each, for the owner only."""
        return self.root / "secrets"

    @property
    def catalog(self) -> Path:
        """The embedded catalog."""
        return self.root / "catalog.db"

    @property
    def s3(self) -> Path:
        """The objects."""
        return self.root / "s3"

    @property
    def ray(self) -> Path:
        """Ray's sessions, where the path is short enough for sockets."""
        return self.root / "ray"

    def log(self, part: str) -> Path:
        """The log file of one part."""
        return self.logs / f"{part}.log"

    def turn_logs(self) -> None:
        """Put large logs aside as `.1`, so that a log never grows without end."""
        for log in self.logs.glob("*.log"):
            if log.stat().st_size > _LARGEST_LOG_BYTES:
                log.replace(log.with_suffix(".log.1"))

    @staticmethod
    def replace(file: Path, text: str) -> None:
        """Write a file as a whole, so that a reader never sees half of it."""
        fresh = file.with_suffix(f".{os.getpid()}")
        fresh.write_text(text)
        fresh.replace(file)

    def clear(self) -> None:
        """Delete what the stack made, and nothing else that lies in the folder."""
        for name in _OWNED:
            shutil.rmtree(self.root / name, ignore_errors=True)
        for pattern in _OWNED_FILES:
            for file in self.root.glob(pattern):
                file.unlink()
