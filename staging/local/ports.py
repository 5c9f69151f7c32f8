"""Find free ports on the loopback."""

import socket
from collections.abc import Sequence

GRPC_OFFSET = 10_000
_TRIES = 500
LOOPBACK = "127.0.0.1"


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Tell whether nothing listens on a port, neither there nor on every interface."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port(preferred: int = 0, *, offsets: Sequence[int] = (0,)) -> int:
    """Return a port that is free at each offset from it, the preferred one if it is.

    SeaweedFS derives its gRPC ports from its HTTP ports (`GRPC_OFFSET`), so both must be free.
    """
    if preferred and all(is_free(preferred + offset) for offset in offsets):
        return preferred
    for _ in range(_TRIES):
        with socket.socket() as probe:
            probe.bind((LOOPBACK, 0))
            port: int = probe.getsockname()[1]
        if all(port + offset < 65_536 and is_free(port + offset) for offset in offsets):
            return port
    raise OSError("no free port on the loopback")
