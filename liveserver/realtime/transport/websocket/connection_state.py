"""The states of a WebSocket connection; and the settings and state that all connections of a server share."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable


class WebSocketSettings(NamedTuple):
    """The settings of all WebSocket connections of a server."""

    app: Callable[[Any, Any, Any], Awaitable[None]]
    root_path: str
    asgi_version: str
    deflate: bool
    """True if the server agrees to permessage-deflate when a client offers it."""
    max_size: int
    """The greatest size in bytes that a message from a client may have after it is inflated."""
    ping_interval: int
    """Seconds between pings; 0 if there are to be no pings."""
    ping_timeout: int | None
    """Seconds within which data must come after a ping; None for no limit. If none comes, the connection is ended."""


class ServerState(Protocol):
    """The state that the connections of a server share."""

    connections: set[Any]
    """The server's open connections, viewers included. When the server ends, it calls `shutdown` on each of them."""
    tasks: set[asyncio.Task[None]]
    """The tasks in which the application is serving connections."""
    default_headers: list[tuple[bytes, bytes]]
    """The headers that every HTTP answer gets, with any status. The server may replace this list at any time."""


class ConnectionGone(OSError):
    """The error that is raised if an application sends on a connection that has ended. ASGI demands an OSError."""


class State(Enum):
    """The state of a connection (RFC 6455, 4 to 7)."""

    NEW = auto()
    """The request hasn't been read yet."""
    CONNECTING = auto()
    """The handshake was read, but the application hasn't answered it yet."""
    REFUSING = auto()
    """The application is refusing the handshake with an HTTP response."""
    OPEN = auto()
    ENDING = auto()
    """The peer has sent a close frame, or broken the protocol. The application may still answer earlier messages."""
    CLOSING = auto()
    """Our close frame was sent, but the peer's close frame hasn't come yet."""
    CLOSED = auto()
    HANDED_OVER = auto()
    """The connection belongs to a viewer now."""
