"""A WebSocket connection's states, and what it shares with the others of its server."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable


class WebSocketSettings(NamedTuple):
    """What holds for all WebSocket connections of a server."""

    app: Callable[[Any, Any, Any], Awaitable[None]]
    root_path: str
    asgi_version: str
    deflate: bool
    """Whether permessage-deflate is agreed on when a client offers it."""
    max_size: int
    """Bytes of a message, inflated."""
    ping_interval: int
    """Seconds between pings; 0 for none."""
    ping_timeout: int | None
    """Seconds in which something must come after a ping; None: a silent peer is not dropped."""


class ServerState(Protocol):
    """What the connections of a server share."""

    connections: set[Any]
    """Everything that is open, for the server's end: `shutdown` is called on each."""
    tasks: set[asyncio.Task[None]]
    """The applications that run."""
    default_headers: list[tuple[bytes, bytes]]
    """What is added to every answer. The server may put another list here at any time."""


class ConnectionGone(OSError):
    """The application sends something on a connection that has ended (ASGI wants an OSError)."""


class State(Enum):
    """Where a connection stands (RFC 6455, 4 to 7)."""

    NEW = auto()
    """Nothing was read."""
    CONNECTING = auto()
    """The handshake was read; the application has not answered."""
    REFUSING = auto()
    """The application answers with an HTTP response."""
    OPEN = auto()
    ENDING = auto()
    """The peer has ended it; the application still takes, and answers, what came before."""
    CLOSING = auto()
    """A close frame was sent, and the peer's is awaited."""
    CLOSED = auto()
    HANDED_OVER = auto()
    """The connection is a viewer's now."""
