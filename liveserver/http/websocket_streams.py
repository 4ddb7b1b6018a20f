"""The parts that all WebSocket streams share: the hand-over to the hub, and the stand-in on other ASGI servers.

An endpoint of http/streams.py or http/desk/stream.py decides whether a stream may begin.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from starlette.websockets import WebSocketDisconnect

from liveserver.domain.change import VOID_POSITION, Position
from liveserver.domain.errors import Draining, EmbedRefused, LiveserverError, NotFound, StoreUnavailable
from liveserver.protocol import close_codes, messages
from liveserver.realtime.transport import viewer_budget
from liveserver.realtime.transport.queue_viewer import QueueViewer
from liveserver.realtime.transport.scope_extension import EXTENSION
from liveserver.realtime.transport.socket_viewer import ViewerEvents
from liveserver.utils.limits.refusals import Reason, refusals

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import Scope
    from starlette.websockets import WebSocket

    from liveserver.protocol.frames import Frame
    from liveserver.realtime.transport.socket_viewer import SocketViewer
    from liveserver.realtime.viewer import Viewer

CLOSE_SECONDS = 1.0
"""How long, in seconds, the server tries to send the end of a stream before it gives up. (The end is a WebSocket's
close, or the end of an answer.)"""


class Follower(ViewerEvents, Protocol):
    """The side of a stream that decides what its viewer gets: a reader's subscription, or an editor's desk."""

    async def join(self, viewer: Viewer, after: Position | None, /) -> None:
        """Register the viewer with the hub. `after`: the last position that the viewer received; None if it has none.

        Raises Draining if the process is about to end, NotFound if the live blog doesn't exist, and StoreUnavailable.
        """


async def briefly(sending: Awaitable[None]) -> None:
    """Wait until the end of a stream is sent, for `CLOSE_SECONDS` at most.

    No error is raised if the time is over, or if the viewer has left.
    """
    with suppress(TimeoutError, OSError, RuntimeError, WebSocketDisconnect):
        async with asyncio.timeout(CLOSE_SECONDS):
            await sending


def position_of(text: str | None) -> Position | None:
    """Return the position that a viewer sent as a text; None if there is no text.

    A text that isn't a position gives `VOID_POSITION`.
    """
    return None if not text else Position.parse(text) or VOID_POSITION


def hand_over_of(scope: Scope) -> Callable[..., SocketViewer] | None:
    """Return the function that hands the connection over to the hub; None if the ASGI server isn't ours.

    `server/protocols/http_protocol.py` offers the function.
    """
    extension = scope.get("extensions", {}).get(EXTENSION)
    return None if extension is None else extension["hand_over"]


def no_room(scope: Scope) -> bool:
    """True if no more streams are accepted, as the last free connections are kept for other requests.

    If True, this function also counts the refusal. `server/protocols/http_connection.py` counts the open connections.
    """
    if not scope.get("extensions", {}).get(EXTENSION, {}).get("full"):
        return False
    client = scope["client"]
    refusals.note(Reason.TOO_MANY_STREAMS, address=client[0] if client else None)
    return True


async def register(subscription: Follower, viewer: SocketViewer, after: Position | None) -> None:
    """Register a viewer with the hub after its connection was handed over. Afterwards, no task runs for the viewer.

    `after`: the viewer's position; None if it has none. If `join` raises NotFound, StoreUnavailable or Draining, the
    viewer is closed with the error's close code (`code_of`).
    """
    try:
        await subscription.join(viewer, after)
    except (NotFound, StoreUnavailable, Draining) as error:
        viewer.close(code_of(error))


def code_of(error: LiveserverError) -> int:
    """Return the WebSocket close code that tells a viewer why it was refused.

    `error`: NotFound, EmbedRefused, StoreUnavailable or Draining.
    """
    return next(code for kind, code in _CODES.items() if isinstance(error, kind))


_CODES: dict[type[LiveserverError], int] = {
    NotFound: close_codes.CLOSE_NO_SUCH_LIVEBLOG,
    EmbedRefused: close_codes.CLOSE_NOT_ADMITTED,
    StoreUnavailable: close_codes.CLOSE_TRY_AGAIN,
    Draining: close_codes.CLOSE_RESTART,
}


async def stream(subscription: Follower, after: Position | None, websocket: WebSocket) -> None:
    """Stream over a WebSocket of any ASGI server, until one side ends the stream.

    `after`: the position that the viewer has; None if it has none.
    """
    await websocket.accept()
    viewer = QueueViewer(subscription.writable)
    try:
        await subscription.join(viewer, after)
        await _serve_websocket(websocket, viewer, subscription)
    except (NotFound, StoreUnavailable, Draining) as error:
        await briefly(websocket.close(code_of(error)))
    finally:
        subscription.gone(viewer)


async def _serve_websocket(websocket: WebSocket, viewer: QueueViewer, subscription: Follower) -> None:
    async def send(frame: Frame) -> None:
        await websocket.send({"type": "websocket.send", "text": frame.text})

    sending = asyncio.create_task(viewer.run(send))
    receiving = asyncio.create_task(_receive(websocket, viewer, subscription))
    try:
        await asyncio.wait({sending, receiving}, return_when=asyncio.FIRST_COMPLETED)
        ended = receiving if receiving.done() else sending
        code = ended.result() if ended.exception() is None else None
        if code is not None:
            await briefly(websocket.close(code))
    finally:
        for task in (sending, receiving):
            task.cancel()
        await asyncio.gather(sending, receiving, return_exceptions=True)


async def _receive(websocket: WebSocket, viewer: QueueViewer, subscription: Follower) -> int | None:
    """Read the viewer's messages, until the viewer leaves, sends too large a message, or exceeds its budget.

    Returns None if the viewer has left. Otherwise returns the close code to send to the viewer.
    """
    spent, clock = 0.0, asyncio.get_running_loop().time
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return None
        text = (message.get("text") or "").encode()
        size = len(message.get("bytes") or text)
        if size > messages.INBOUND_MAX:
            return close_codes.CLOSE_TOO_BIG
        spent = viewer_budget.spent(spent, now := clock(), viewer_budget.weight(1, size))
        if not viewer_budget.allowed(spent, now) and not viewer_budget.allowed(spent, now, subscription.asked()):
            peer = websocket.client
            refusals.note(Reason.TOO_TALKATIVE, address=peer.host if peer else None)
            return close_codes.CLOSE_TOO_TALKATIVE
        if text and len(text) <= messages.HEARD_MAX:
            subscription.said(viewer, text)
