"""The number of connections that a process may have: each takes a descriptor, as do its other files and sockets."""

from __future__ import annotations

import resource
from typing import NamedTuple

OWN = 128
"""Descriptors that the process needs besides its connections to clients and to the database: for listening sockets,
Redis, files that are being sent, picture processes, and a few connections that are being turned away."""

FILES = 3
"""Descriptors for each connection to the database: SQLite opens its file, the WAL and the WAL's index."""

SHARE = 10
RESERVE_MAX = 1_000
"""The most connections that are kept for requests, streams apart. A request needs its connection for milliseconds only,
so this is enough even where there is room for 10,000 and more."""

UNLIMITED = 1_048_576
"""Descriptors that the kernel allows a process without a limit of its own (`fs.nr_open`)."""


class Capacity(NamedTuple):
    """The number of connections that a process may have, and the number up to which it accepts new streams."""

    connections: int
    streams: int


def capacity(descriptors: int, *, most: int = 0, database_pool: int = 0) -> Capacity:
    """Compute the capacity for so many descriptors; `most`: an upper limit of connections (0: none).

    A tenth of the connections, at most a thousand, is kept for requests: pages, the API and monitoring still work when
    there is no room for one more stream.
    """
    room = max(1, descriptors - OWN - 2 * FILES * database_pool)
    connections = min(room, most) if most else room
    return Capacity(connections, connections - min(RESERVE_MAX, connections // SHARE))


def descriptors() -> int:
    """Return the number of files and sockets that this process may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return UNLIMITED if soft == resource.RLIM_INFINITY else soft
