"""uvicorn's HTTP protocol after a TLS handshake of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from liveserver.server.protocols.connection_room import ConnectionLimits, ConnectionRoom, HandshakeRoom
from liveserver.server.protocols.http_protocol import HttpProtocol
from liveserver.utils.limits.unread_bytes import WRITE_BUFFER

if TYPE_CHECKING:
    import asyncio

    from liveserver.server.protocols.tls_listener import Handshake


class EncryptedHttpProtocol(HttpProtocol):
    """An HTTP connection over TLS, which takes the place of its handshake in the room for connections."""

    __slots__ = ("handshake",)

    handshake: Handshake

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, once the handshake is complete."""
        HandshakeRoom(self.room, self.connections).leave(self.handshake)
        # As without TLS: the event loops' default is eight times as much, for each client that doesn't read.
        transport.set_write_buffer_limits(WRITE_BUFFER)
        super().connection_made(transport)

    def on_headers_complete(self) -> None:
        """Pay for a TLS record with the request that came."""
        self.handshake.records.pay()
        super().on_headers_complete()


def limited(limits: ConnectionLimits, *, encrypted: bool = False) -> type[HttpProtocol]:
    """Return the protocol class, uvicorn's `http`, for a server with these limits."""
    base = EncryptedHttpProtocol if encrypted else HttpProtocol
    return type("HttpProtocol", (base,), {"__slots__": (), "__doc__": base.__doc__, "room": ConnectionRoom(limits)})
