"""Room for connections: the number of connections that a server may still accept.

If there is no room for a new connection, the server tries to make room by ending an idle or slow connection.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

from liveserver.utils.limits.connection_groups import ConnectionGroups
from liveserver.utils.limits.refusals import Reason, refusals
from liveserver.utils.limits.unread_bytes import UnreadBytes

if TYPE_CHECKING:
    from liveserver.server.protocols.tls_listener import Handshake

LEAVING_MAX = 64
"""The greatest number of refused connections that are kept open at a time, so that their peers can read the answer.

Further refused connections are closed at once, and their peers may not get the answer."""

LEAVING_SECONDS = 1.0
"""The greatest number of seconds for which a refused connection is kept open."""


class ConnectionLimits(NamedTuple):
    """The limits of an HTTP connection, and of all connections of a server together."""

    head_seconds: int = 10
    """Seconds in which a request's head must be complete.

    For the first request of a connection, the time begins when the connection has been made (with TLS: after the
    handshake). For a later request, the time begins with the first byte of its head.
    """
    body_seconds: int = 30
    """Seconds in which a request's body must be complete.

    If at least `BODY_RATE` bytes a second have come in this time, the body gets as much time again. This may happen any
    number of times.
    """
    connections: int = sys.maxsize
    streams: int = sys.maxsize
    """The greatest number of connections in use with which a new stream is still accepted.

    The new stream's own connection is included; idle connections aren't.
    """


class Evictable(Protocol):
    """A connection that the server may end to make room for another one."""

    def give_way(self) -> None:
        """End this connection without an answer."""


class ConnectionRoom:
    """The room for a server's connections. It knows the limits, and which connections may be ended to make room."""

    def __init__(self, limits: ConnectionLimits | None = None) -> None:
        """`limits`: None for the default limits."""
        self.limits = limits or ConnectionLimits()
        self.leaving: set[object] = set()
        """The refused connections that are kept open for a moment, so that their peers can read the answer."""
        self.idle: dict[Evictable, None] = {}
        """The idle connections, which have no request under way. The connection that has been idle for longest comes
        first.

        These connections are ended when room is needed. So nobody can occupy connections without making requests. A
        limit for each address would be worse: an attacker may have many addresses, and all clients behind a proxy share
        one address.
        """
        self.resting: dict[Evictable, None] = {}
        """The idle connections from which nothing is parsed for a while, because their clients were refused often.

        When room is needed, these connections are ended before all other connections."""
        self.unread = UnreadBytes()
        self.receiving = ConnectionGroups()
        """Connections that wait for the rest of a request's body, in groups: one for each address or API key.

        A connection is in the group of its client's address until the request's API key was checked. After that, it is
        in the key's group."""

    def has_room(self, connections: set[Any]) -> bool:
        """Return True if there is room for one more connection besides `connections`, or if room has been made.

        Room is made by ending an idle or slow connection, which is also removed from `connections`.
        """
        return len(connections) < self.limits.connections or self._make_room(connections)

    def note_refusal(self, address: str | None) -> None:
        """Count the refusal of a connection for which there was no room.

        `address`: the address of its peer, for the log; None if it isn't known.
        """
        refusals.note(Reason.TOO_MANY_CONNECTIONS, address=address, most=self.limits.connections)

    def full(self, connections: set[Any]) -> bool:
        """Return True if more than `limits.streams` of the `connections` aren't idle.

        No new stream is accepted then, and the remaining connections are kept for requests.
        """
        # Idle connections are ended when room is needed, so they don't keep viewers out.
        return len(connections) - len(self.idle) - len(self.resting) > self.limits.streams

    def forget(self, connection: Any) -> None:
        """Remove a connection from all collections of the room, because it has ended or has become a viewer's
        connection."""
        self.leaving.discard(connection)
        self.idle.pop(connection, None)
        self.resting.pop(connection, None)
        self.unread.resumed(connection)
        self.receiving.remove(connection)

    def _make_room(self, connections: set[Any]) -> bool:
        """End one connection to make room for another. Returns False if no connection may be ended.

        These kinds of connections are tried in order: a connection in `resting`, the connection that has been idle for
        longest, a connection with a client that reads slowly, a connection with a client that sends slowly.
        """
        longest = (
            next(iter(self.resting), None)
            or next(iter(self.idle), None)
            or cast("Evictable | None", self.unread.slowest() or self.receiving.slowest())
        )
        if longest is None:
            return False
        # The connection doesn't count any more, though its descriptor is free only in the next turn of the event loop.
        connections.discard(longest)
        self.forget(longest)
        longest.give_way()
        return True


class HandshakeRoom:
    """The room for connections in their TLS handshake. They, too, count toward the server's limit of connections.

    `server/protocols/tls_listener.py` uses this class.
    """

    def __init__(self, room: ConnectionRoom, connections: set[Any]) -> None:
        self._room = room
        self._connections = connections

    def take(self, handshake: Handshake) -> bool:
        """Add a connection, which counts as idle, and return True.

        If there is no room for the connection, counts a refusal, and returns False.
        """
        if not self._room.has_room(self._connections):
            self._room.note_refusal(handshake.address)
            return False
        self._connections.add(handshake)
        self._room.idle[handshake] = None
        return True

    def leave(self, handshake: Handshake) -> None:
        """Remove a connection whose handshake has ended. Does nothing if it was removed before."""
        self._connections.discard(handshake)
        self._room.idle.pop(handshake, None)
