"""Bytes that wait in memory because a client doesn't read them, counted by address, or by API key.

A connection reports when its transport can't send at once, and when it can again. Between the two, the body that it
sends counts for its client's address, but only once if several connections of that address are sent the same body. So
an address with many unread bytes can be made to read first (`http/fair_queue.py`), and a client that reads costs
nothing here.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from liveserver.utils.limits.addresses import network_prefix, packed

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

WRITE_BUFFER = 64 * 1024
"""Bytes that may wait in a transport before the application has to. It sends large bodies in pieces of this size."""
SLOW_MIN = 10
"""Slowly read connections of one address, from which on they may be ended to make room. Browsers have six."""


class _Paused(NamedTuple):
    owner: Hashable
    body: bytes | None
    own: Callable[[], int]


class UnreadBytes:
    """The connections of a server whose clients read their answers too slowly."""

    def __init__(self) -> None:
        self._paused: dict[object, _Paused] = {}
        self._of: dict[Hashable, dict[object, None]] = {}
        """The connections by owner, mostly an address prefix; the one that paused first comes first."""

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

        `body`: the body that it sends, if others may be sent the same one; b"" if that stays in memory anyway. `own`
        returns the bytes that wait for this connection alone, until it has `resumed`. `owner`: for whom they count, if
        not for the host's address.
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
        """Return the longest paused connection of the address that has most of them; None if it has few."""
        connections = max(self._of.values(), key=len, default={})
        return next(iter(connections)) if len(connections) >= SLOW_MIN else None

    def size_of(self, owner: Hashable) -> int:
        """Return the bytes that wait for an owner, mostly an address prefix."""
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
