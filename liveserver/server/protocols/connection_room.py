"""Room for connections: how many there may be, and who gives way where there is no more."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

from liveserver.utils.limits.refusals import Reason, refusals
from liveserver.utils.limits.unread_bytes import UnreadBytes

if TYPE_CHECKING:
    from liveserver.server.protocols.tls_listener import Handshake

LEAVING_MAX = 64
"""Connections for which there was no room, and which are read for a moment longer, so that they see why."""

LEAVING_SECONDS = 1.0
"""That moment."""


class ConnectionLimits(NamedTuple):
    """What an HTTP connection, and all of a server's together, may take."""

    head_seconds: int = 10
    """From the connection's first moment, or from the first byte of a further request, to the end of the head."""
    body_seconds: int = 30
    """For the body, and again for as long as it comes at `BODY_RATE`."""
    connections: int = sys.maxsize
    streams: int = sys.maxsize
    """With so many connections no more streams are let in."""


class Resting(Protocol):
    """A connection that can be ended to make room for another."""

    def give_way(self) -> None:
        """End without a word, as if its time were over."""


class ConnectionRoom:
    """The connections of a server that may have to leave: those that rest, and those that are being turned away."""

    def __init__(self, limits: ConnectionLimits | None = None) -> None:
        """`limits`: None for the defaults."""
        self.limits = limits or ConnectionLimits()
        self.leaving: set[object] = set()
        """Connections there is no room for, while they are told."""
        self.resting: dict[Resting, None] = {}
        """Connections on which nothing is asked for, the one that rests for longest first.

        They give way where there is no more room: nobody can hold places without asking for something, from however
        many addresses, and behind a proxy, whose own connections all come from one.
        """
        self.unread = UnreadBytes()

    def has_room(self, connections: set[Any]) -> bool:
        """Whether there is room for one more beside these, if need be for the price of another one."""
        return len(connections) < self.limits.connections or self._make(connections)

    def note_refusal(self, address: str | None) -> None:
        """Count a connection that there was no room for."""
        refusals.note(Reason.TOO_MANY_CONNECTIONS, address=address, most=self.limits.connections)

    def full(self, connections: set[Any]) -> bool:
        """Whether the connections that are left are kept for requests: no more streams are let in."""
        return len(connections) > self.limits.streams

    def _make(self, connections: set[Any]) -> bool:
        """End the connection that has rested for longest; where none does, one of those who take many and read slowly.

        False if there is none of these either.
        """
        longest = next(iter(self.resting), None) or cast("Resting | None", self.unread.slowest())
        if longest is None:
            return False
        # Its place is free at once, and its descriptor in the next turn of the loop.
        self.resting.pop(longest, None)
        connections.discard(longest)
        self.unread.resumed(longest)
        longest.give_way()
        return True


class HandshakeRoom:
    """The same room, for connections that are still amid a TLS handshake (`server/protocols/tls_listener.py`)."""

    def __init__(self, room: ConnectionRoom, connections: set[Any]) -> None:
        self._room = room
        self._connections = connections

    def take(self, handshake: Handshake) -> bool:
        """Whether there is room for one more: it rests until it is more than a handshake."""
        if not self._room.has_room(self._connections):
            self._room.note_refusal(handshake.address)
            return False
        self._connections.add(handshake)
        self._room.resting[handshake] = None
        return True

    def leave(self, handshake: Handshake) -> None:
        """It has ended; nothing happens if it left before."""
        self._connections.discard(handshake)
        self._room.resting.pop(handshake, None)
