"""uvicorn's HTTP protocol for connections whose TLS handshake `tls_listener.py` has made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from liveserver.server.protocols.connection_room import ConnectionLimits, ConnectionRoom, HandshakeRoom
from liveserver.server.protocols.http_protocol import HttpProtocol
from liveserver.utils.limits.unread_bytes import WRITE_BUFFER

if TYPE_CHECKING:
    import asyncio

    from liveserver.server.protocols.tls_listener import Handshake


class EncryptedHttpProtocol(HttpProtocol):
    """An HTTP connection over TLS. In the count of connections, it replaces the `Handshake` that came before it."""

    __slots__ = ("handshake",)

    handshake: Handshake

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a request, now that the TLS handshake is complete."""
        HandshakeRoom(self.room, self.connections).leave(self.handshake)
        # The limit is the same as without TLS. The event loops' default for TLS is eight times as much, and each client
        # that doesn't read would use so much memory.
        transport.set_write_buffer_limits(WRITE_BUFFER)
        super().connection_made(transport)

    def on_headers_complete(self) -> None:
        """Allow one additional TLS record, because a request has come. Then check the request's head."""
        self.handshake.records.pay()
        super().on_headers_complete()


def limited(limits: ConnectionLimits, *, encrypted: bool = False) -> type[HttpProtocol]:
    """Return the class of HTTP connections (uvicorn's setting `http`) for a server with these limits.

    `encrypted`: True if the connections are to use TLS.
    """
    base = EncryptedHttpProtocol if encrypted else HttpProtocol
    return type("HttpProtocol", (base,), {"__slots__": (), "__doc__": base.__doc__, "room": ConnectionRoom(limits)})
