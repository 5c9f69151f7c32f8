"""Reach a MySQL server: checked addresses, a greeting in time, and a line that notices a death."""

import socket

from staging.core.errors import SourceUnavailable, SourceUnsupported
from staging.sources.addresses import checked_addresses
from staging.sources.connection import Connection

_CONNECT_SECONDS = 4
_GREETING_BYTES = 5
_KEEPALIVE = (
    (socket.TCP_KEEPIDLE, 30),
    (socket.TCP_KEEPINTVL, 10),
    (socket.TCP_KEEPCNT, 3),
    (socket.TCP_USER_TIMEOUT, 15_000),
    (socket.TCP_NODELAY, 1),
)


def open_socket(connection: Connection, server: str) -> socket.socket:
    """Connect to the first address that answers; the server's greeting waits to be read.

    Raises SourceUnavailable, SourceAuth if an address is forbidden, SourceUnsupported if what
    answers is no MySQL server.
    """
    failed: Exception | None = None
    for family, address in _addresses(connection):
        line = socket.socket(family, socket.SOCK_STREAM)
        try:
            greeting = _greeted(line, address)
        except OSError as error:
            line.close()
            failed = error
            continue
        if not _is_mysql(greeting):
            line.close()
            raise SourceUnsupported(f"{server} is no MySQL server")
        return line
    raise SourceUnavailable(f"{server} does not accept connections") from failed


def _addresses(connection: Connection) -> list[tuple[int, str | tuple[str, int]]]:
    if connection.host.startswith("/"):
        return [(socket.AF_UNIX, connection.host)]
    found = checked_addresses(
        connection.host, connection.port, allow_link_local=connection.allow_link_local
    )
    return [
        (socket.AF_INET6 if ":" in each else socket.AF_INET, (each, connection.port))
        for each in found
    ]


def _greeted(line: socket.socket, address: str | tuple[str, int]) -> bytes:
    """Connect, wait for the greeting, which a server sends at once, and give its first bytes."""
    line.settimeout(_CONNECT_SECONDS)
    line.connect(address)
    greeting = line.recv(_GREETING_BYTES, socket.MSG_PEEK | socket.MSG_WAITALL)
    if len(greeting) < _GREETING_BYTES:
        raise ConnectionResetError
    if line.family != socket.AF_UNIX:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEPALIVE:
            line.setsockopt(socket.IPPROTO_TCP, option, value)
    return greeting


def _is_mysql(greeting: bytes) -> bool:
    """Tell a first packet, of protocol 10 or an error: three bytes of length, then number 0."""
    return greeting[3:] in {b"\x00\x0a", b"\x00\xff"}
