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
from starlette.websockets import WebSocket

from liveserver.domain.errors import Busy, Draining, EmbedRefused, StoreUnavailable, TooManyRequests
from liveserver.http.container import services
from liveserver.http.problems import KINDS, problem
from liveserver.http.rejections import refused, slow_down, waiting
from liveserver.http.requesters import liveblog_of
from liveserver.http.responses.prebuilt import deny
from liveserver.http.route_params import SLUG
from liveserver.http.websocket_streams import briefly, code_of, hand_over_of, no_room, position_of, register, stream
from liveserver.realtime.transport.queue_viewer import QueueViewer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

    from liveserver.domain.change import Position
    from liveserver.protocol.frames import Frame
    from liveserver.realtime.subscription import Subscription
    from liveserver.utils.limits.concurrency_limiter import Permit

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
        if parts.hub.draining or no_room(scope):
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
                await briefly(websocket.close(code_of(error)))
                return
            hand_over = hand_over_of(scope)
            if hand_over is None:
                await stream(subscription, after, WebSocket(scope, receive, send))
                return
            # `hand_over` raises OSError if the viewer has left already. There is nothing to do then.
            with suppress(OSError):
                viewer = hand_over(subscription)
                subscription.permit, handed_over = permit, True
                await register(subscription, viewer, after)
        finally:
            if permit is not None and not handed_over:
                permit.release()


async def events_endpoint(request: Request) -> ASGIApp:
    """Answer `GET …/events?after=POSITION` with a stream of server-sent events.

    If the request has a header `Last-Event-ID`, the stream goes on from the position in that header, and `after` is
    ignored.
    """
    parts, slug = services(request), request.path_params["slug"]
    query = _query_of(request.scope)
    if no_room(request.scope):
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
            hand_over = hand_over_of(scope)
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
            await register(self._subscription, viewer, self._after)
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
            await briefly(send({"type": "http.response.body", "body": b"", "more_body": False}))

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
