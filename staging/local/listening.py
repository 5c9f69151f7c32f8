"""Tell which ports of a process other machines could reach."""

from ipaddress import IPv6Address, ip_address

import psutil


def strangers_can_reach(pid: int) -> list[str]:
    """List the listening addresses, outside the loopback, of a process and all below it."""
    found: set[str] = set()
    try:
        root = psutil.Process(pid)
        for each in (root, *root.children(recursive=True)):
            found |= _open_addresses(each)
    except psutil.Error:
        return []
    return sorted(found)


def _open_addresses(process: psutil.Process) -> set[str]:
    return {
        f"{each.laddr.ip}:{each.laddr.port}"
        for each in process.net_connections("inet")
        if each.status == psutil.CONN_LISTEN and not _is_loopback(each.laddr.ip)
    }


def _is_loopback(ip: str) -> bool:
    """Tell whether an address is of the loopback, also when written as an IPv6 one."""
    address = ip_address(ip)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback
