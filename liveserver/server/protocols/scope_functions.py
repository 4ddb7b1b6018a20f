"""The functions of the scope's extension, by which an endpoint talks to its HTTP connection."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from uvicorn.protocols.utils import ClientDisconnected

from liveserver.realtime.transport.websocket.handshake import head

if TYPE_CHECKING:
    from collections.abc import Iterable
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
    """Hand a connection over: see `HttpProtocol.hand_over`. Raises ClientDisconnected if there is none any more."""
    connection = protocol()
    if connection is None:
        raise ClientDisconnected
    return connection.hand_over(events, status, headers, body)


def is_gone(request: ref[RequestResponseCycle]) -> bool:
    """True if a request's client has gone. Its application isn't told that unless it asks.

    While another request waits on the same connection, that isn't known: nothing is read before the answer is sent.
    """
    cycle = request()
    return cycle is None or cycle.disconnected


def rest(protocol: ref[HttpProtocol], client: tuple[str, int] | None, seconds: float) -> None:
    """Let a connection rest after its answer: see `HttpProtocol.rest`. Does nothing if there is none any more."""
    connection = protocol()
    if connection is not None:
        connection.rest(client, seconds)


def no_bytes() -> int:
    """Return 0, the bytes that a client holds alone while the body that it reads is shared with others."""
    return 0


answer_head = lru_cache(maxsize=4)(head)
"""The head of an answer, cached: equal answers within one second have equal heads, which include the date."""
