"""The endpoint of the desk's stream: `GET /desk/api/v1/liveblogs/{slug}/stream`, a WebSocket for editors."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from liveserver.access.actors import require
from liveserver.domain.errors import Draining, LiveserverError, TooManyRequests, Unauthorized
from liveserver.domain.people.rights import Verb
from liveserver.http.desk.same_site import check_origin
from liveserver.http.problems import KINDS, problem
from liveserver.http.rejections import refused, slow_down, waiting
from liveserver.http.responses.prebuilt import deny
from liveserver.http.route_params import SLUG
from liveserver.http.websocket_streams import hand_over_of, no_room, position_of, register, stream

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from liveserver.http.container import Container
    from liveserver.newsroom.desk.desk_stream import DeskStream


class DeskStreamEndpoint:
    """The endpoint of the desk's stream, as an ASGI application.

    With `?after=POSITION`, the editor is sent the changes after that position, as readers are.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the connection over to the hub, or stream until one side ends the stream.

        The handshake is refused with a 503 if the process is about to end, or accepts no more streams. It is refused
        for each error of `_opened`, too.
        """
        parts: Container = scope["state"]["services"]
        if parts.hub.draining or no_room(scope):
            later = {"Retry-After": str(Draining.retry_after)}
            await deny(scope, receive, send, Response(status_code=503, headers=later))
            return
        websocket = WebSocket(scope, receive, send)
        try:
            desk_stream = await _opened(parts, websocket)
        except LiveserverError as error:
            await deny(scope, receive, send, _refusal(scope, error))
            return
        after = position_of(QueryParams(scope["query_string"]).get("after"))
        hand_over = hand_over_of(scope)
        if hand_over is None:
            await stream(desk_stream, after, websocket)
            return
        # `hand_over` raises OSError if the editor has left already. There is nothing to do then.
        with suppress(OSError):
            await register(desk_stream, hand_over(desk_stream), after)


async def _opened(parts: Container, websocket: WebSocket) -> DeskStream:
    """Return a new desk stream, as a handshake asks for it.

    Raises TooManyRequests for too many requests, or too many desk streams of the user or the live blog. Raises
    OtherSite if a page of another site asks, and Unauthorized if nobody is signed in. Raises Forbidden if the user may
    not see the live blog's unpublished work. Also raises StoreUnavailable.
    """
    cookies, slug = websocket.headers.get("cookie"), websocket.path_params["slug"]
    if (ref := parts.desk_sessions.recall(cookies)) is not None:
        parts.limits.by_principal(ref)
    else:
        parts.limits.read(websocket.scope.get("client"))
    # A page of any site may open a WebSocket, and the browser sends our cookie with it. So this GET isn't safe.
    check_origin(websocket, parts.settings.base_url, "CONNECT")
    found = await parts.desk_sessions.authenticate(cookies, slug)
    if found is None:
        raise Unauthorized("this needs somebody who is signed in at the desk")
    return parts.desk_rooms.open(slug, require(found.actor, Verb.SEE, slug).principal)


def _refusal(scope: Scope, error: LiveserverError) -> Response:
    """Return the answer to a handshake that is refused, and count and log the refusal."""
    error = refused(scope, error)
    headers = {}
    if isinstance(error, TooManyRequests):
        slow_down(scope)
        headers = waiting(error)
    kind = next(KINDS[cls] for cls in type(error).__mro__ if cls in KINDS)
    return problem(kind, str(error), instance=scope["path"], headers=headers)


async def needs_upgrade(request: Request) -> Response:
    """Answer a GET that doesn't ask for an upgrade to WebSocket. Always raises HTTPException, with a 426."""
    raise HTTPException(426, "this is a WebSocket: connect with Upgrade", {"Upgrade": "websocket"})


DESK_STREAM_ROUTES = [
    Route(f"/liveblogs/{SLUG}/stream", needs_upgrade, methods=["GET"]),
    WebSocketRoute(f"/liveblogs/{SLUG}/stream", DeskStreamEndpoint()),
]
"""The routes of the desk's stream, relative to `/desk/api/v1`."""
