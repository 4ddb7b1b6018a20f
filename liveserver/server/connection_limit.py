"""How many connections a process may have: each takes a descriptor, and what else it opens must get one, too."""

from __future__ import annotations

import resource
from typing import NamedTuple

OWN = 128
"""Descriptors that the process needs beside its connections to readers and to the database: listening sockets, Redis,
files that are being sent, pictures' processes, and a few connections that are being turned away."""

FILES = 3
"""Descriptors for each connection to the database: SQLite has its file, the WAL and their index open."""

SHARE = 10
RESERVE_MAX = 1_000
"""Connections that are no streams, at most: where there is room for 10,000 and more, a page needs its own for
milliseconds only."""

UNLIMITED = 1_048_576
"""What the kernel allows a process that nothing else limits (`fs.nr_open`)."""


class Capacity(NamedTuple):
    """How many connections a process may have, and with how many it still lets in streams."""

    connections: int
    streams: int


def capacity(descriptors: int, *, most: int = 0, database_pool: int = 0) -> Capacity:
    """What goes into so many descriptors; `most`: no more connections than that, unless it is 0.

    A tenth, a thousand at most, is kept for requests: who reads the page, publishes or looks after the server gets in
    when there is no room for one more stream.
    """
    room = max(1, descriptors - OWN - 2 * FILES * database_pool)
    connections = min(room, most) if most else room
    return Capacity(connections, connections - min(RESERVE_MAX, connections // SHARE))


def descriptors() -> int:
    """How many files and sockets this process may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return UNLIMITED if soft == resource.RLIM_INFINITY else soft
