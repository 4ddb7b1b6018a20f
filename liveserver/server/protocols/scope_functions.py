"""The functions in the ASGI scope's extension (`scope_extension.py`). An endpoint calls them to use its connection."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from uvicorn.protocols.utils import ClientDisconnected

from liveserver.realtime.transport.websocket.handshake import head

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable
    from weakref import ref

    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

    from liveserver.realtime.transport.socket_viewer import SocketViewer, ViewerEvents
    from liveserver.server.protocols.http_protocol import HttpProtocol


def hand_over(
    protocol: ref[HttpProtocol],
    events: ViewerEvents,
    status: int,
    headers: Iterable[tuple[bytes, bytes]],
    body: bytes,
) -> SocketViewer:
    """Answer the request with an event stream, and make its connection a viewer. Returns the viewer.

    Raises Conflict if other requests wait on the connection, or if its client hasn't read earlier answers. Raises
    ClientDisconnected if the connection has ended, and RuntimeError if an answer was begun already.
    """
    connection = protocol()
    if connection is None:
        raise ClientDisconnected
    return connection.hand_over(events, status, headers, body)


def is_gone(request: ref[RequestResponseCycle]) -> bool:
    """Return True if the client of a request has gone. An endpoint must ask, as it isn't notified.

    While another request waits on the same connection, the result is False even if the client has gone. The reason is
    that nothing is read from such a connection until the present request is answered.
    """
    cycle = request()
    return cycle is None or cycle.disconnected


def claim(protocol: ref[HttpProtocol], request: ref[RequestResponseCycle], owner: Hashable) -> None:
    """Move a connection from its address's group in `ConnectionRoom.receiving` to the group of `owner`, an API key.

    Does nothing if the request's body is complete, or if the connection has ended.
    """
    connection = protocol()
    if connection is not None and connection.cycle is request():
        connection.claim(owner)


def rest(protocol: ref[HttpProtocol], client: tuple[str, int] | None, seconds: float) -> None:
    """Parse nothing from a connection for `seconds` after the present answer, which is a refusal.

    Does nothing if the connection has ended, or belongs to a proxy. The first few refusals on a connection are only
    counted. If other requests wait on the connection, it is ended after the answer instead. `client`: the client's
    address and port.
    """
    connection = protocol()
    if connection is not None:
        connection.rest(client, seconds)


def no_bytes() -> int:
    """Return 0, the number of bytes that wait for one client alone while the client is sent a shared body without TLS.

    `UnreadBytes.paused` gets this function as its `own`.
    """
    return 0


answer_head = lru_cache(maxsize=4)(head)
"""`handshake.head` with a cache of its last four results.

Streams that begin within the same second need the same head, since its Date header changes only once a second."""
