"""Bytes that an address was sent and hasn't read, as far as they are in memory for its sake.

A connection tells when its transport has more to send than it takes at once, and when that has gone. In between the
body that it sends counts for its client's address: once, to however many connections of that address it goes. So an
address with much of it can be made to read first (`http/fair_queue.py`), while a client that reads costs nothing here.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from liveserver.utils.limits.addresses import network_prefix, packed

if TYPE_CHECKING:
    from collections.abc import Callable

WRITE_BUFFER = 64 * 1024
"""Bytes that wait in a transport before the application does, which sends large bodies in pieces of so many."""
SLOW_MIN = 10
"""Connections of one address that are read slowly at the same time, from which on they give way: browsers have six."""


class _Paused(NamedTuple):
    prefix: bytes
    body: bytes | None
    own: Callable[[], int]


class UnreadBytes:
    """The connections of a server whose clients read more slowly than they are answered."""

    def __init__(self) -> None:
        self._paused: dict[object, _Paused] = {}
        self._of: dict[bytes, dict[object, None]] = {}
        """The connections of each address, by what it is counted; the one that paused first comes first."""

    def __len__(self) -> int:
        return len(self._paused)

    def paused(self, connection: object, host: str, body: bytes | None, own: Callable[[], int]) -> None:
        """A connection can't send on.

        `body`: what it sends, if others may be sent the same; b"" if that stays in memory anyway. `own`: how many bytes
        wait for it alone, at any time until it has `resumed`.
        """
        self.resumed(connection)
        prefix = _prefix_of(host)
        if prefix is not None:
            self._paused[connection] = _Paused(prefix, body, own)
            self._of.setdefault(prefix, {})[connection] = None

    def resumed(self, connection: object) -> None:
        """It sends on, or has ended; nothing happens if it never paused."""
        paused = self._paused.pop(connection, None)
        if paused is not None:
            connections = self._of[paused.prefix]
            del connections[connection]
            if not connections:
                del self._of[paused.prefix]

    def slowest(self) -> object | None:
        """Of the address with most of them, the connection that has been paused for longest; None if it has few."""
        most = max(self._of.values(), key=len, default={})
        return next(iter(most)) if len(most) >= SLOW_MIN else None

    def size_of(self, prefix: bytes) -> int:
        """How many bytes wait for an address, or a network."""
        size = 0
        bodies: dict[int, int] = {}
        for connection in self._of.get(prefix, ()):
            _, body, own = self._paused[connection]
            size += own()
            if body is not None:
                bodies[id(body)] = len(body)
        return size + sum(bodies.values())


@lru_cache(maxsize=1_024)
def _prefix_of(host: str) -> bytes | None:
    address = packed(host)
    return None if address is None else network_prefix(address)
