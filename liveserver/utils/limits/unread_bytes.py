"""Bytes that wait in memory because a client doesn't read them, counted by address, or by API key.

A connection reports when its transport can't send at once, and when it can again. Between the two, the body that it
sends counts for its client's address, but only once if several connections of that address are sent the same body. So
an address with many unread bytes can be made to read first (`http/fair_queue.py`), and a client that reads costs
nothing here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from liveserver.utils.limits.connection_groups import ConnectionGroups, owner_of

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

WRITE_BUFFER = 64 * 1024
"""Bytes that may wait in a transport before the application has to. It sends large bodies in pieces of this size."""


class _Paused(NamedTuple):
    body: bytes | None
    own: Callable[[], int]


class UnreadBytes:
    """The connections of a server whose clients read their answers too slowly."""

    def __init__(self) -> None:
        self._paused: dict[object, _Paused] = {}
        self._groups = ConnectionGroups()

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
            owner = owner_of(host)
        if owner is not None:
            self._paused[connection] = _Paused(body, own)
            self._groups.add(connection, owner)

    def resumed(self, connection: object) -> None:
        """Note that a connection sends on, or has ended. Does nothing if it never paused."""
        if self._paused.pop(connection, None) is not None:
            self._groups.remove(connection)

    def slowest(self) -> object | None:
        """Return the longest paused connection of the address that has most of them; None if it has few."""
        return self._groups.slowest()

    def size_of(self, owner: Hashable) -> int:
        """Return the bytes that wait for an owner, mostly an address prefix."""
        size = 0
        bodies: dict[int, int] = {}
        for connection in self._groups.of(owner):
            body, own = self._paused[connection]
            size += own()
            if body is not None:
                bodies[id(body)] = len(body)
        return size + sum(bodies.values())
