"""Room for connections: how many a server may have, and which one must end to make room for another."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

from liveserver.utils.limits.connection_groups import ConnectionGroups
from liveserver.utils.limits.refusals import Reason, refusals
from liveserver.utils.limits.unread_bytes import UnreadBytes

if TYPE_CHECKING:
    from liveserver.server.protocols.tls_listener import Handshake

LEAVING_MAX = 64
"""The most refused connections that are kept open at a time, for a moment, so that their peers can read the answer."""

LEAVING_SECONDS = 1.0
"""Seconds for which a refused connection is kept open."""


class ConnectionLimits(NamedTuple):
    """The limits of an HTTP connection, and of all connections of a server together."""

    head_seconds: int = 10
    """Seconds in which a request's head must be complete.

    For the first request they are counted from the connection's beginning, for later ones from the first byte.
    """
    body_seconds: int = 30
    """Seconds in which a request's body must be complete. They begin anew as long as the body comes at `BODY_RATE`."""
    connections: int = sys.maxsize
    streams: int = sys.maxsize
    """The number of connections above which no new stream is accepted."""


class Resting(Protocol):
    """A connection that may be ended to make room for another one."""

    def give_way(self) -> None:
        """End this connection without an answer."""


class ConnectionRoom:
    """The room for a server's connections. It knows the limits, and which connections may be ended to make room."""

    def __init__(self, limits: ConnectionLimits | None = None) -> None:
        """`limits`: None for the default limits."""
        self.limits = limits or ConnectionLimits()
        self.leaving: set[object] = set()
        """The refused connections that are kept open for a moment, so that their peers can read the answer."""
        self.resting: dict[Resting, None] = {}
        """The connections without a request under way. The one that has been idle for longest comes first.

        These connections are ended when room is needed. So nobody can occupy connections without making requests, not
        even from many addresses, or behind a proxy, whose connections all come from one address.
        """
        self.refused: dict[Resting, None] = {}
        """The idle connections that rest because their clients were refused often. They are ended before all others."""
        self.unread = UnreadBytes()
        self.receiving = ConnectionGroups()
        """Connections that wait for the rest of a request's body, by address, or by API key once it was checked."""

    def has_room(self, connections: set[Any]) -> bool:
        """Return True if there is room for one more connection besides `connections`.

        If there is none, an idle or slow connection is ended, and removed from `connections`, to make room.
        """
        return len(connections) < self.limits.connections or self._make_room(connections)

    def note_refusal(self, address: str | None) -> None:
        """Count a refusal: there was no room for a connection from this address."""
        refusals.note(Reason.TOO_MANY_CONNECTIONS, address=address, most=self.limits.connections)

    def full(self, connections: set[Any]) -> bool:
        """Return True if the last free connections are kept for requests, so that no new stream is accepted."""
        # Idle connections are ended when room is needed, so they don't keep viewers out.
        return len(connections) - len(self.resting) - len(self.refused) > self.limits.streams

    def _make_room(self, connections: set[Any]) -> bool:
        """End the connection that has been idle for longest; or, if none is idle, one that reads its answer slowly.

        If there is none of these either, a connection that sends its body slowly is ended. Returns False if there is
        none of these three.
        """
        longest = (
            next(iter(self.refused), None)
            or next(iter(self.resting), None)
            or cast("Resting | None", self.unread.slowest() or self.receiving.slowest())
        )
        if longest is None:
            return False
        # The connection doesn't count any more, though its descriptor is free only in the next turn of the event loop.
        self.resting.pop(longest, None)
        self.refused.pop(longest, None)
        connections.discard(longest)
        self.unread.resumed(longest)
        self.receiving.remove(longest)
        longest.give_way()
        return True


class HandshakeRoom:
    """The room for connections that are in their TLS handshake. They count like all other connections.

    `server/protocols/tls_listener.py` uses it.
    """

    def __init__(self, room: ConnectionRoom, connections: set[Any]) -> None:
        self._room = room
        self._connections = connections

    def take(self, handshake: Handshake) -> bool:
        """Add a connection, which counts as idle, if there is room. Returns False, and counts a refusal, if not."""
        if not self._room.has_room(self._connections):
            self._room.note_refusal(handshake.address)
            return False
        self._connections.add(handshake)
        self._room.resting[handshake] = None
        return True

    def leave(self, handshake: Handshake) -> None:
        """Remove a connection whose handshake has ended. Does nothing if it was removed before."""
        self._connections.discard(handshake)
        self._room.resting.pop(handshake, None)
