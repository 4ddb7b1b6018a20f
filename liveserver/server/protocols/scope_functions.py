"""What an endpoint may ask of its HTTP connection, by functions in the scope's extension."""

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
    alive = protocol()
    if alive is None:
        raise ClientDisconnected
    return alive.hand_over(events, status, headers, body)


def is_gone(request: ref[RequestResponseCycle]) -> bool:
    """Whether a request's client has gone, which its application isn't told unless it asks.

    Behind a request that waits on the same connection that isn't known: what follows is read when the answer is sent.
    """
    alive = request()
    return alive is None or alive.disconnected


def no_bytes() -> int:
    """How much of a body waits that others wait for, too: it counts as theirs."""
    return 0


answer_head = lru_cache(maxsize=4)(head)
"""The head of an answer. All that are answered alike within a second get the same: the date is a part of it."""
