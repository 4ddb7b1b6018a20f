"""The limits of this machine: open files of a process, and ports of a source address."""

from __future__ import annotations

import ipaddress
import resource
import sys
from pathlib import Path

RESERVE = 64
"""Files that a process needs besides its viewers' sockets."""

PER_SOURCE = 5_000
"""Viewers for each source address of the loopback network. The more ports are in use, the longer the search for one."""

_PORT_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_PORTS = 28_232
"""Ports that Linux gives to outgoing connections (ip(7)), if the system doesn't say otherwise."""


def raise_open_files() -> int:
    """Raise this process's limit of open files as far as possible; return the number of sockets that fit under it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
        except (ValueError, OSError):
            # macOS reports "unlimited", but accepts no more than kern.maxfilesperproc.
            pass
    return 1_000_000 if soft == resource.RLIM_INFINITY else max(soft - RESERVE, 0)


def outgoing_ports() -> int:
    """Return the number of connections that one source address can open to one port of a server."""
    try:
        first, last = _PORT_RANGE.read_text().split()
    except OSError:
        return _PORTS
    return int(last) - int(first) + 1


def has_many_sources(address: str) -> bool:
    """True if connections to an address may come from any 127.x.y.z, as on Linux, which has the whole network."""
    ip = ipaddress.ip_address(address)
    return sys.platform == "linux" and ip.version == 4 and ip.is_loopback


def source_of(number: int) -> str:
    """Return the source address of a viewer, by its number, for a server on the loopback network."""
    return f"127.0.0.{2 + number // PER_SOURCE}"
