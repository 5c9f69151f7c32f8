"""Find free ports on the loopback, and keep two stacks from finding the same ones."""

import fcntl
import os
import secrets
import socket
import tempfile
from collections.abc import Sequence
from pathlib import Path

import psutil

GRPC_OFFSET = 10_000
"""SeaweedFS derives its gRPC ports from its HTTP ports by adding this."""
LOOPBACK = "127.0.0.1"
_TRIES = 500
_CHOICE = range(12_000, 22_000)
"""Not of those that kernels give to outgoing connections (Linux: from 32,768 on), the gRPC ports
included: one of them may be gone between its choice and its use."""
_NONE_FREE = "no free port on the loopback"


class PortBook:
    """Hands out free ports; each stays this process's for as long as the process lives.

    A port that was handed out but is not bound yet looks free to another stack, so each is also
    locked in a folder that all stacks of a user share; the locks end with the process.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or Path(tempfile.gettempdir()) / f"staging-ports-{os.getuid()}"
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._locks: list[int] = []

    def take(self, preferred: int = 0, *, offsets: Sequence[int] = (0,)) -> int:
        """Return a port that is free at each offset from it: the preferred one if it is."""
        if preferred and self.try_take(preferred, offsets=offsets):
            return preferred
        for _ in range(_TRIES):
            port = _some_port()
            if port + max(offsets) < 1 << 16 and self.try_take(port, offsets=offsets):
                return port
        raise OSError(_NONE_FREE)

    def try_take(self, port: int, *, offsets: Sequence[int] = (0,)) -> bool:
        """Take one port if it is free."""
        return all(is_free(port + each) and self._lock(port + each) for each in offsets)

    def _lock(self, port: int) -> bool:
        fd = os.open(self._folder / str(port), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(fd)
            return False
        self._locks.append(fd)
        return True


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Tell whether nothing listens on a port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port(preferred: int = 0) -> int:
    """Return a port that is free now, the preferred one if it is."""
    return preferred if preferred and is_free(preferred) else _some_port()


def holder_of(port: int) -> str | None:
    """Name the process that listens on a port, as far as the system tells."""
    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:
        return None
    holders = [
        each.pid
        for each in connections
        if each.status == psutil.CONN_LISTEN and each.laddr.port == port and each.pid
    ]
    return _name(holders[0]) if holders else None


def _name(pid: int) -> str:
    try:
        command = " ".join(psutil.Process(pid).cmdline())
    except psutil.Error:
        command = ""
    return f"pid {pid} ({command[:80] or 'unknown'})"


def _some_port() -> int:
    for _ in range(_TRIES):
        port = secrets.choice(_CHOICE)
        if is_free(port):
            return port
    raise OSError(_NONE_FREE)


def answers(address: str) -> bool:
    """Tell whether something accepts connections at `host:port`."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=1):
            return True
    except OSError:
        return False
