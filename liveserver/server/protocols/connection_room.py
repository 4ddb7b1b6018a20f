"""Room for connections: their limit, and the choice of one that must end to make room for another."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

from liveserver.utils.limits.connection_groups import ConnectionGroups
from liveserver.utils.limits.refusals import Reason, refusals
from liveserver.utils.limits.unread_bytes import UnreadBytes

if TYPE_CHECKING:
    from liveserver.server.protocols.tls_listener import Handshake

LEAVING_MAX = 64
"""Refused connections that may be kept open for a moment at a time, so that their peers can read the answer."""

LEAVING_SECONDS = 1.0
"""Seconds for which a refused connection is kept open."""


class ConnectionLimits(NamedTuple):
    """The limits of an HTTP connection, and of all connections of a server together."""

    head_seconds: int = 10
    """Seconds to the end of the head, from the connection's beginning or the first byte of a later request."""
    body_seconds: int = 30
    """Seconds for the body; again and again, as long as it comes at `BODY_RATE`."""
    connections: int = sys.maxsize
    streams: int = sys.maxsize
    """The number of connections beyond which no new streams are accepted."""


class Resting(Protocol):
    """A connection that can be ended to make room for another."""

    def give_way(self) -> None:
        """End without an answer, as if its time were over."""


class ConnectionRoom:
    """The room for connections in a server, and the connections that may be ended to make room."""

    def __init__(self, limits: ConnectionLimits | None = None) -> None:
        """`limits`: None for the defaults."""
        self.limits = limits or ConnectionLimits()
        self.leaving: set[object] = set()
        """Refused connections that are kept open for a moment, so that their peers can read the answer."""
        self.resting: dict[Resting, None] = {}
        """Connections without a request under way, the longest idle one first.

        They are ended when room is needed. So nobody can occupy connections without making requests, from however many
        addresses; nor behind a proxy, whose connections all come from one address.
        """
        self.unread = UnreadBytes()
        self.receiving = ConnectionGroups()
        """Connections that wait for the rest of a request's body, by address."""

    def has_room(self, connections: set[Any]) -> bool:
        """True if there is room for one more connection besides these; ends another one if that is necessary."""
        return len(connections) < self.limits.connections or self._make_room(connections)

    def note_refusal(self, address: str | None) -> None:
        """Count a connection that was refused for want of room."""
        refusals.note(Reason.TOO_MANY_CONNECTIONS, address=address, most=self.limits.connections)

    def full(self, connections: set[Any]) -> bool:
        """True if the remaining connections are kept for requests, so that no new stream is accepted."""
        return len(connections) > self.limits.streams

    def _make_room(self, connections: set[Any]) -> bool:
        """End the connection that has been idle for longest; if none is idle, one that reads its answer slowly.

        If there is none of these either, one that sends its body slowly ends. False if there is none of any.
        """
        longest = next(iter(self.resting), None) or cast(
            "Resting | None", self.unread.slowest() or self.receiving.slowest()
        )
        if longest is None:
            return False
        # It stops counting at once; its descriptor is free in the next turn of the event loop.
        self.resting.pop(longest, None)
        connections.discard(longest)
        self.unread.resumed(longest)
        self.receiving.remove(longest)
        longest.give_way()
        return True


class HandshakeRoom:
    """A view of the room for connections in their TLS handshake (`server/protocols/tls_listener.py`)."""

    def __init__(self, room: ConnectionRoom, connections: set[Any]) -> None:
        self._room = room
        self._connections = connections

    def take(self, handshake: Handshake) -> bool:
        """Add a connection, as an idle one, if there is room; False if there isn't."""
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
