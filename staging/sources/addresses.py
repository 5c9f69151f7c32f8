"""Resolve a registered host, and refuse the addresses that only a machine's own cloud uses."""

import ipaddress
import socket

from staging.core.errors import SourceAuth, SourceUnavailable

_METADATA = frozenset(
    ipaddress.ip_address(each) for each in ("169.254.169.254", "fd00:ec2::254", "100.100.100.200")
)


def checked_addresses(host: str, port: int, *, allow_link_local: bool) -> tuple[str, ...]:
    """Give the host's addresses, so that what is checked is what is connected to.

    Raises SourceUnavailable if the name does not resolve, SourceAuth if an address is link-local
    or a metadata service's and the operator did not allow it.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise SourceUnavailable(f"the host name {host} does not resolve") from error
    addresses = tuple(dict.fromkeys(str(each[4][0]) for each in found))
    if not allow_link_local and any(_is_forbidden(each) for each in addresses):
        raise SourceAuth(f"{host} is a link-local or metadata address; the operator must allow it")
    return addresses


def _is_forbidden(address: str) -> bool:
    parsed = ipaddress.ip_address(address)
    plain = getattr(parsed, "ipv4_mapped", None) or parsed
    return plain.is_link_local or plain in _METADATA
