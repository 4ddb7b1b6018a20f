"""Bytes that wait in memory because a client doesn't read them, counted by address, or by API key.

A connection reports when its transport can't send at once (it pauses), and when the transport can send again (it
resumes). Between these two reports, the body that is being sent counts for the client's address. A body that several
connections of one address are sent counts only once. So `http/fair_queue.py` can let an address with many unread bytes
wait until it has read them. A client that reads at once is never counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from liveserver.utils.limits.connection_groups import ConnectionGroups, owner_of

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

WRITE_BUFFER = 64 * 1024
"""The number of bytes that may wait in a connection's transport. If more wait, the application must pause.

The application sends large bodies in pieces of this size."""


class _Paused(NamedTuple):
    body: bytes | None
    own: Callable[[], int]


class UnreadBytes:
    """The paused connections of a server: those with a client that reads its answer too slowly."""

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

        `host`: the client's address. `body`: the body that the connection sends, if other connections may be sent the
        same body; b"" if the body stays in memory anyway; else None. `own` returns the number of bytes that wait for
        this connection alone; it may be called until `resumed` is called. `owner`: the key that the bytes count for;
        None to count them for the host's address.
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
        """Return one connection to end: of the owner with the most paused connections, the one that paused first.

        None if that owner has less than `connection_groups.SLOW_MIN` paused connections.
        """
        return self._groups.slowest()

    def size_of(self, owner: Hashable) -> int:
        """Return the number of bytes that wait because an owner (mostly an address prefix) doesn't read them."""
        size = 0
        bodies: dict[int, int] = {}
        for connection in self._groups.of(owner):
            body, own = self._paused[connection]
            size += own()
            if body is not None:
                bodies[id(body)] = len(body)
        return size + sum(bodies.values())
