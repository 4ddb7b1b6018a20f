"""Bytes that wait in memory because a client doesn't read them, counted by address, or by API key.

A connection reports when its transport can't send at once (it pauses), and when the transport can send again (it
resumes). Between these two reports, the body that is being sent counts for the client's address. A body that several
connections of one address are sent counts only once. So `http/fair_queue.py` can let an address with many unread bytes
wait until it has read them. A client that reads at once is never counted.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from liveserver.utils.limits.addresses import network_prefix, packed

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

WRITE_BUFFER = 64 * 1024
"""Bytes that may wait in a transport. If there are more, the application must wait before it sends on.

The application sends large bodies in pieces of this size."""
SLOW_MIN = 10
"""The number of paused connections from which on one of an address may be ended to make room.

A browser has at most six connections."""


class _Paused(NamedTuple):
    owner: Hashable
    body: bytes | None
    own: Callable[[], int]


class UnreadBytes:
    """The paused connections of a server: those with a client that reads its answer too slowly."""

    def __init__(self) -> None:
        self._paused: dict[object, _Paused] = {}
        self._of: dict[Hashable, dict[object, None]] = {}
        """The paused connections of each owner, which mostly is an address prefix. The first to pause comes first."""

    def __len__(self) -> int:
        return len(self._paused)

    def paused(
        self,
        connection: object,
        host: str,
        body: bytes | None,
        own: Callable[[], int],
        *,
        owner: Hashable = None,
    ) -> None:
        """Note that a connection can't send on.

        `host`: the client's address. `body`: the body that the connection sends, if other connections may be sent the
        same body; b"" if the body stays in memory anyway; else None. `own` returns the number of bytes that wait for
        this connection alone; it may be called until `resumed` is. `owner`: the key that the bytes count for; None to
        count them for the host's address.
        """
        self.resumed(connection)
        if owner is None:
            owner = _prefix_of(host)
        if owner is not None:
            self._paused[connection] = _Paused(owner, body, own)
            self._of.setdefault(owner, {})[connection] = None

    def resumed(self, connection: object) -> None:
        """Note that a connection sends on, or has ended. Does nothing if it never paused."""
        paused = self._paused.pop(connection, None)
        if paused is not None:
            connections = self._of[paused.owner]
            del connections[connection]
            if not connections:
                del self._of[paused.owner]

    def slowest(self) -> object | None:
        """Return one connection to end: of the owner with the most paused connections, the one that paused first.

        None if that owner has less than SLOW_MIN paused connections.
        """
        connections = max(self._of.values(), key=len, default={})
        return next(iter(connections)) if len(connections) >= SLOW_MIN else None

    def size_of(self, owner: Hashable) -> int:
        """Return the number of bytes that wait because an owner (mostly an address prefix) doesn't read them."""
        size = 0
        bodies: dict[int, int] = {}
        for connection in self._of.get(owner, ()):
            _, body, own = self._paused[connection]
            size += own()
            if body is not None:
                bodies[id(body)] = len(body)
        return size + sum(bodies.values())


@lru_cache(maxsize=1_024)
def _prefix_of(host: str) -> bytes | None:
    address = packed(host)
    return None if address is None else network_prefix(address)
