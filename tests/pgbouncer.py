"""A real PgBouncer for tests, from the system's package, in front of a Postgres."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from staging.local.ports import free_port

_MISSING = "PgBouncer is not installed: apt-get install -y pgbouncer"
_UNPRIVILEGED = 65_534
"""PgBouncer refuses to run as root."""
_CONFIGURATION = """
[databases]
* = host=127.0.0.1 port={server} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
auth_file =
user =
{settings}
"""


@contextmanager
def pooled(server_port: int, **settings: str) -> Iterator[int]:
    """Start a pooler in front of a server that asks for no password; give its port."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip(_MISSING)
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="pgbouncer-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        lines = "\n".join(f"{key} = {value}" for key, value in settings.items())
        configuration = folder / "pgbouncer.ini"
        configuration.write_text(
            _CONFIGURATION.format(server=server_port, port=port, settings=lines)
        )
        user = _UNPRIVILEGED if os.geteuid() == 0 else None
        with (
            (folder / "log").open("wb") as log,
            subprocess.Popen(
                [program, str(configuration)], user=user, stdout=log, stderr=log
            ) as process,
        ):
            try:
                _until_it_listens(port, folder / "log")
                yield port
            finally:
                process.terminate()


def _until_it_listens(port: int, log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        else:
            return
