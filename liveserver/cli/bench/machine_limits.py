"""The limits of this machine: how many files a process may open, and how many ports a source address has."""

from __future__ import annotations

import ipaddress
import resource
import sys
from pathlib import Path

RESERVE = 64
"""The part of a process's limit of open files that is kept for other files than viewers' sockets."""

PER_SOURCE = 5_000
"""The greatest number of viewers that connect from one source address of the loopback network. The more ports of an
address are in use, the longer the kernel searches for a free port."""

_PORT_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_PORTS = 28_232
"""How many ports Linux has for outgoing connections by default (ip(7))."""


def raise_open_files() -> int:
    """Raise this process's limit of open files as far as possible.

    Returns how many sockets of viewers the process can then open.
    """
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
    """Return how many connections one source address of this machine can have to one port of a server."""
    try:
        first, last = _PORT_RANGE.read_text().split()
    except OSError:
        return _PORTS
    return int(last) - int(first) + 1


def has_many_sources(address: str) -> bool:
    """True if this machine can connect to the IP address `address` from every source address 127.x.y.z.

    This is possible only on Linux, if `address` is an IPv4 address of the loopback network.
    """
    ip = ipaddress.ip_address(address)
    return sys.platform == "linux" and ip.version == 4 and ip.is_loopback


def source_of(number: int) -> str:
    """Return the source address (127.0.0.x) from which a viewer connects to a server on the loopback network.

    `number`: the number of the viewer.
    """
    return f"127.0.0.{2 + number // PER_SOURCE}"
