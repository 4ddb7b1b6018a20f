"""The limits of this machine: how many files a process may open, and how many ports a source address has."""

from __future__ import annotations

import ipaddress
import resource
import sys
from pathlib import Path

RESERVE = 64
"""The number of files that a process of the benchmark may have open besides its viewers' sockets."""

PER_SOURCE = 5_000
"""The greatest number of viewers that connect from one source address of the loopback network. With more viewers, the
kernel would search longer and longer for a free port of the address."""

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
    """True if this machine can connect to an address from any source address 127.x.y.z.

    This is possible only on Linux, for an IPv4 address of the loopback network.
    """
    ip = ipaddress.ip_address(address)
    return sys.platform == "linux" and ip.version == 4 and ip.is_loopback


def source_of(number: int) -> str:
    """Return the source address (127.0.0.x) from which a viewer connects to a server on the loopback network.

    `number`: the number of the viewer.
    """
    return f"127.0.0.{2 + number // PER_SOURCE}"
