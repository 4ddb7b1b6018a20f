"""The number of connections that a process may have.

Each connection uses a file descriptor. The process's files and its other sockets also use file descriptors.
"""

from __future__ import annotations

import resource
from typing import NamedTuple

OWN = 128
"""The number of descriptors that the process needs besides its connections to clients and to the database.

They are for listening sockets, Redis, files that are being sent, picture processes, and a few connections that are
being turned away."""

FILES = 3
"""The number of descriptors for each connection to the database: SQLite opens its file, the WAL and the WAL's index."""

SHARE = 10
RESERVE_MAX = 1_000
"""The greatest number of connections that are kept for requests, so that streams can't use all connections.

A request needs its connection for milliseconds only. So this number is enough even for a process with 10,000
connections."""

UNLIMITED = 1_048_576
"""The number of descriptors assumed if the process's limit is infinite: the kernel's default of `fs.nr_open`."""


class Capacity(NamedTuple):
    """The number of connections that a process may have, and the number up to which it accepts streams."""

    connections: int
    """The greatest number of connections that the process may have."""
    streams: int
    """The number of connections above which the process accepts no new stream. Idle connections don't count here."""


def capacity(descriptors: int, *, most: int = 0, database_pool: int = 0) -> Capacity:
    """Return the capacity of a process that may have `descriptors` files and sockets open at a time.

    `most`: the greatest number of connections that the settings allow; 0 for no such limit. `database_pool`: the number
    of connections to the database for reading. The same number is assumed for writing.

    A tenth of the connections, at most a thousand, is kept for requests. So pages, the API and monitoring still work
    when no more streams are accepted.
    """
    room = max(1, descriptors - OWN - 2 * FILES * database_pool)
    connections = min(room, most) if most else room
    return Capacity(connections, connections - min(RESERVE_MAX, connections // SHARE))


def descriptors() -> int:
    """Return how many descriptors (files and sockets) this process may have open at a time."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return UNLIMITED if soft == resource.RLIM_INFINITY else soft
