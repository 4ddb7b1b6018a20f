"""Bytes that wait in memory because a client doesn't read them, counted by address, or by API key.

A connection reports when its transport can't send at once (it pauses), and when the transport can send again (it
resumes). Between these two reports, the body that is being sent counts against its owner: an API key, or the
client's address. If several connections of one owner are sent the same body, it counts only once. So
`http/fair_queue.py` can begin fewer jobs for an owner with many unread bytes. A client that reads at once is never
counted.
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
    """The paused connections of a server, which can't send more now because their clients read too slowly."""

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
        """Note that a connection can't send more now.

        `host`: the client's address. `body`: the body that is being sent, if other connections may be sent the same
        object. Else it is None. It is b"" if the server keeps the body in memory in any case, so that the body needn't
        count. `own`: a function that returns the number of bytes that wait for this connection alone. It is called only
        before `resumed` is called. `owner`: the API key or address prefix that the bytes count for; None for the prefix
        of `host`. Does nothing if `owner` is None and `host` isn't an IP address.
        """
        self.resumed(connection)
        if owner is None:
            owner = owner_of(host)
        if owner is not None:
            self._paused[connection] = _Paused(body, own)
            self._groups.add(connection, owner)

    def resumed(self, connection: object) -> None:
        """Note that a connection can send again, or has ended. Does nothing if it wasn't paused."""
        if self._paused.pop(connection, None) is not None:
            self._groups.remove(connection)

    def slowest(self) -> object | None:
        """Return the connection that the server should end if it needs a connection for another client.

        Of the owner with the most paused connections, it is the connection that was paused first. The result is None if
        this owner has less than `connection_groups.SLOW_MIN` paused connections.
        """
        return self._groups.slowest()

    def size_of(self, owner: Hashable) -> int:
        """Return the number of bytes that wait because an owner (an API key or an address prefix) doesn't read them."""
        size = 0
        bodies: dict[int, int] = {}
        for connection in self._groups.of(owner):
            body, own = self._paused[connection]
            size += own()
            if body is not None:
                bodies[id(body)] = len(body)
        return size + sum(bodies.values())
