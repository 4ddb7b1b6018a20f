"""The states of a WebSocket connection, and the settings and state that it shares with others of its server."""

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
    """True if permessage-deflate is agreed on when a client offers it."""
    max_size: int
    """Bytes that a message may have, inflated."""
    ping_interval: int
    """Seconds between pings; 0 for none."""
    ping_timeout: int | None
    """Seconds in which data must come after a ping; None: a silent peer is not dropped."""


class ServerState(Protocol):
    """The state that the connections of a server share."""

    connections: set[Any]
    """The open connections. When the server ends, `shutdown` is called on each."""
    tasks: set[asyncio.Task[None]]
    """The tasks of the running applications."""
    default_headers: list[tuple[bytes, bytes]]
    """The headers of every answer. The server may put another list here at any time."""


class ConnectionGone(OSError):
    """The error of an application that sends on a connection that has ended (ASGI wants an OSError)."""


class State(Enum):
    """The state of a connection (RFC 6455, 4 to 7)."""

    NEW = auto()
    """The request hasn't been read."""
    CONNECTING = auto()
    """The handshake was read; the application has not answered."""
    REFUSING = auto()
    """The application answers with an HTTP response."""
    OPEN = auto()
    ENDING = auto()
    """The peer has ended the connection; the application still gets, and answers, the messages before that."""
    CLOSING = auto()
    """Our close frame was sent, and the peer's is awaited."""
    CLOSED = auto()
    HANDED_OVER = auto()
    """The connection belongs to a viewer now."""
