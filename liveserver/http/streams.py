"""The endpoints of the live stream, over WebSocket and over server-sent events (SSE)."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING

from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from liveserver.domain.change import VOID_POSITION, Position
from liveserver.domain.errors import (
    Busy,
    Draining,
    EmbedRefused,
    LiveserverError,
    NotFound,
    StoreUnavailable,
    TooManyRequests,
)
from liveserver.http.container import services
from liveserver.http.problems import KINDS, problem
from liveserver.http.rejections import refused, slow_down, waiting
from liveserver.http.requesters import liveblog_of
from liveserver.http.responses.prebuilt import deny
from liveserver.http.route_params import SLUG
from liveserver.protocol import close_codes, messages
from liveserver.realtime.transport import viewer_budget
from liveserver.realtime.transport.queue_viewer import QueueViewer
from liveserver.realtime.transport.scope_extension import EXTENSION
from liveserver.utils.limits.refusals import Reason, refusals

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

    from liveserver.protocol.frames import Frame
    from liveserver.realtime.subscription import Subscription
    from liveserver.realtime.transport.socket_viewer import SocketViewer
    from liveserver.utils.limits.concurrency_limiter import Permit

CLOSE_SECONDS = 1.0
"""The greatest number of seconds for sending the end of a stream: a WebSocket's close, or the end of an answer."""

RETRY = b"retry: 3000\n"
"""The line that tells an EventSource to connect again three seconds after its connection is lost.

No empty line follows, so this line and the message `hello` are one block. If the line were a block of its own, some
clients (not browsers) would treat that block as an event without data."""

SSE_HEADERS = {
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",
    "Content-Type": "text/event-stream; charset=utf-8",
}
_LATER = {"Retry-After": str(Draining.retry_after)}
_SSE_RAW_HEADERS = [(name.lower().encode(), value.encode()) for name, value in SSE_HEADERS.items()]
# For other answers, middlewares add these two. An answer whose connection is handed over doesn't pass through them.
_HANDED_OVER_HEADERS = (
    *_SSE_RAW_HEADERS,
    (b"access-control-allow-origin", b"*"),
    (b"x-content-type-options", b"nosniff"),
)


async def _briefly(sending: Awaitable[None]) -> None:
    """Await `sending`, which sends the end of a stream, and cancel it after `CLOSE_SECONDS`.

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


def _query_of(scope: Scope) -> Mapping[str, str]:
    # Most requests for a stream have no query, and parsing an empty query takes longer than this test.
    return QueryParams(scope["query_string"]) if scope["query_string"] else {}


class WebSocketStream:
    """The endpoint of the WebSocket stream: `GET …/ws?after=POSITION`.

    The endpoint is an ASGI application and not a function. Starlette would wrap a function, and the wrapper would take
    longer than everything that this endpoint does.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Accept the WebSocket, and hand its connection over to the hub.

        An ASGI server other than ours offers no hand-over. In this case, stream until one side ends the stream. The
        handshake is refused if the process is about to end, if the server accepts no more streams, or if the client's
        address has too many streams. If the viewer can't be served for another reason, the
        WebSocket is accepted, and then closed with a code that says why.
        """
        parts = scope["state"]["services"]
        if parts.hub.draining or _no_room(scope):
            # If a node answers a handshake with 503, a balancer can try another node, and the viewer doesn't notice.
            await deny(scope, receive, send, Response(status_code=503, headers=_LATER))
            return
        try:
            permit = parts.limits.stream(scope["client"])
        except TooManyRequests as error:
            refused(scope, error)
            slow_down(scope)
            answer = problem(KINDS[TooManyRequests], str(error), instance=scope["path"], headers=waiting(error))
            await deny(scope, receive, send, answer)
            return
        handed_over = False
        try:
            slug = scope["path_params"]["slug"]
            query = _query_of(scope)
            after, partner = position_of(query.get("after")), query.get("partner")
            # Browsers hide from scripts why a handshake was refused. So the server accepts the WebSocket, and then
            # closes it with a code that says why.
            try:
                subscription = await parts.partners.subscription(slug, partner, scope["headers"])
            except (EmbedRefused, StoreUnavailable) as error:
                refused(scope, error)
                websocket = WebSocket(scope, receive, send)
                await websocket.accept()
                await _briefly(websocket.close(_code_of(error)))
                return
            hand_over = _hand_over_of(scope)
            if hand_over is None:
                await self._stream(subscription, after, WebSocket(scope, receive, send))
                return
            # `hand_over` raises OSError if the viewer has left already. There is nothing to do then.
            with suppress(OSError):
                viewer = hand_over(subscription)
                subscription.permit, handed_over = permit, True
                await _register(subscription, viewer, after)
        finally:
            if permit is not None and not handed_over:
                permit.release()

    async def _stream(self, subscription: Subscription, after: Position | None, websocket: WebSocket) -> None:
        await websocket.accept()
        viewer = QueueViewer(subscription.writable)
        try:
            await subscription.join(viewer, after)
            await _serve_websocket(websocket, viewer, subscription)
        except (NotFound, StoreUnavailable, Draining) as error:
            await _briefly(websocket.close(_code_of(error)))
        finally:
            subscription.gone(viewer)


def _hand_over_of(scope: Scope) -> Callable[..., SocketViewer] | None:
    """Return the function that hands the connection over to the hub; None if the ASGI server isn't ours.

    Our ASGI server puts the function into the scope (`server/protocols/http_protocol.py`).
    """
    extension = scope.get("extensions", {}).get(EXTENSION)
    return None if extension is None else extension["hand_over"]


def _no_room(scope: Scope) -> bool:
    """Return True, and count a refused stream, if the server accepts no more streams; otherwise return False.

    The last free connections are reserved for other requests (`server/protocols/connection_room.py`).
    """
    if not scope.get("extensions", {}).get(EXTENSION, {}).get("full"):
        return False
    client = scope["client"]
    refusals.note(Reason.TOO_MANY_STREAMS, address=client[0] if client else None)
    return True


async def _register(subscription: Subscription, viewer: SocketViewer, after: Position | None) -> None:
    """Register a viewer with the hub after its connection was handed over. A registered viewer needs no task.

    If the hub can't register the viewer, its connection is closed with a code that says why. `after`: the viewer's
    position; None if it has none.
    """
    try:
        await subscription.join(viewer, after)
    except (NotFound, StoreUnavailable, Draining) as error:
        viewer.close(_code_of(error))


def _code_of(error: LiveserverError) -> int:
    """Return the WebSocket close code that tells a viewer why it was refused.

    `error` must be a NotFound, EmbedRefused, StoreUnavailable or Draining.
    """
    return next(code for kind, code in _CODES.items() if isinstance(error, kind))


_CODES: dict[type[LiveserverError], int] = {
    NotFound: close_codes.CLOSE_NO_SUCH_LIVEBLOG,
    EmbedRefused: close_codes.CLOSE_NOT_ADMITTED,
    StoreUnavailable: close_codes.CLOSE_TRY_AGAIN,
    Draining: close_codes.CLOSE_RESTART,
}


async def _serve_websocket(websocket: WebSocket, viewer: QueueViewer, subscription: Subscription) -> None:
    async def send(frame: Frame) -> None:
        await websocket.send({"type": "websocket.send", "text": frame.text})

    sending = asyncio.create_task(viewer.run(send))
    receiving = asyncio.create_task(_receive(websocket, viewer, subscription))
    try:
        await asyncio.wait({sending, receiving}, return_when=asyncio.FIRST_COMPLETED)
        ended = receiving if receiving.done() else sending
        code = ended.result() if ended.exception() is None else None
        if code is not None:
            await _briefly(websocket.close(code))
    finally:
        for task in (sending, receiving):
            task.cancel()
        await asyncio.gather(sending, receiving, return_exceptions=True)


async def _receive(websocket: WebSocket, viewer: QueueViewer, subscription: Subscription) -> int | None:
    """Read the viewer's messages, and report short texts to the hub, until the viewer leaves or sends too much.

    Returns None if the viewer has left. Returns the close code to send if a message has more than `INBOUND_MAX` bytes,
    or if the viewer's budget (`viewer_budget`) is used up.
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


async def events_endpoint(request: Request) -> ASGIApp:
    """Answer `GET …/events?after=POSITION` with a stream of server-sent events.

    If the request has a header `Last-Event-ID`, the stream goes on from the position in that header, and `after` is
    ignored.
    """
    parts, slug = services(request), request.path_params["slug"]
    query = _query_of(request.scope)
    if _no_room(request.scope):
        raise Busy("there is no room for one more stream")
    permit = parts.limits.stream(request.scope.get("client"))
    try:
        subscription = await parts.partners.subscription(slug, query.get("partner"), request.scope["headers"])
        if request.method == "HEAD":
            await liveblog_of(request.scope, slug)
            return Response(headers=SSE_HEADERS)
        after = position_of(request.headers.get("last-event-id") or query.get("after"))
        stream = EventStream(subscription, after, f"{parts.hub.node}.{secrets.token_hex(6)}", permit)
        permit = None
        return stream
    finally:
        if permit is not None:
            permit.release()


class EventStream:
    """ASGI application: answers with a `text/event-stream`, which ends when the hub closes it or the viewer leaves."""

    def __init__(
        self, subscription: Subscription, after: Position | None, reply_id: str, permit: Permit | None = None
    ) -> None:
        """`after`: the viewer's position; None if it has none.

        `reply_id`: the id by which the viewer names itself when it posts a confirmation. `permit`: the permit that
        counts the stream for the client's address; None if that address's streams aren't limited. The permit is
        released when the stream ends.
        """
        self._subscription = subscription
        self._after = after
        self._reply_id = reply_id
        self._permit = permit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the connection over to the hub.

        An ASGI server other than ours offers no hand-over. In this case, stream until one side ends the stream. Raises
        Draining, NotFound or StoreUnavailable, always before anything is sent.
        """
        handed_over = False
        try:
            hand_over = _hand_over_of(scope)
            if hand_over is None:
                await self._stream(receive, send)
                return
            # An error that is raised here becomes a problem document, as nothing has been sent yet.
            await self._subscription.enter()
            try:
                viewer = hand_over(self._subscription, 200, _HANDED_OVER_HEADERS, RETRY)
            except OSError:
                # The viewer left while the live blog was being read.
                return
            self._subscription.permit, handed_over = self._permit, True
            viewer.reply_id = self._reply_id
            await _register(self._subscription, viewer, self._after)
        finally:
            if self._permit is not None and not handed_over:
                self._permit.release()

    async def _stream(self, receive: Receive, send: Send) -> None:
        viewer = QueueViewer(self._subscription.writable, self._reply_id)

        async def send_frame(frame: Frame) -> None:
            await send({"type": "http.response.body", "body": frame.sse, "more_body": True})

        async def run() -> None:
            await send({"type": "http.response.start", "status": 200, "headers": [*_SSE_RAW_HEADERS]})
            await send({"type": "http.response.body", "body": RETRY, "more_body": True})
            await viewer.run(send_frame)
            await _briefly(send({"type": "http.response.body", "body": b"", "more_body": False}))

        async def wait_for_disconnect() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass

        # An error that join raises becomes a problem document, as nothing has been sent yet.
        await self._subscription.join(viewer, self._after)
        sending = asyncio.create_task(run())
        leaving = asyncio.create_task(wait_for_disconnect())
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._subscription.gone(viewer)
            for task in (sending, leaving):
                task.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)


async def needs_upgrade(request: Request) -> Response:
    """Answer a `GET …/ws` that doesn't ask for an upgrade to WebSocket. Always raises HTTPException, with a 426."""
    raise HTTPException(426, "this is a WebSocket: connect with Upgrade", {"Upgrade": "websocket"})


STREAM_ROUTES = [
    Route(f"/liveblogs/{SLUG}/ws", needs_upgrade, methods=["GET"]),
    WebSocketRoute(f"/liveblogs/{SLUG}/ws", WebSocketStream()),
    Route(f"/liveblogs/{SLUG}/events", events_endpoint, methods=["GET"]),
]
