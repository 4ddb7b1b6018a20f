"""The limit on pages, before the routes.

Streams and the API have limits of their own. They are counted by their handlers, which know a request's key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request

from liveserver.content.body_pictures import MEDIA_PATH
from liveserver.domain.errors import TooManyRequests

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

    from liveserver.http.container import Container

UNCOUNTED = ("/api/v1/", "/static/", f"{MEDIA_PATH}/")
"""The beginnings of paths that aren't counted here: the API counts its own requests, and a file costs less than a
refusal. What isn't there slows its client down (`server/error_responses.py: http_error`)."""
PROBES = frozenset({"/healthz", "/readyz"})
"""The paths by which balancers see whether the server is well."""


def is_counted(path: str) -> bool:
    """True if requests for the path are counted here, before the routes."""
    return not (path.startswith(UNCOUNTED) or path in PROBES)


class PageLimits:
    """ASGI middleware: counts requests for pages, feeds, cards, sitemaps, embeds and documents by address.

    It comes after `FastPath`: to refuse the page that everybody asks for would cost as much as to send it.
    """

    def __init__(self, app: ASGIApp, refuse: Callable[[Request, Exception], Awaitable[Response]]) -> None:
        """`refuse` answers a request that is one too many."""
        self._app = app
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "http" and is_counted(scope["path"]):
            parts: Container = scope["state"]["services"]
            try:
                parts.limits.page(scope.get("client"))
            except TooManyRequests as error:
                response = await self._refuse(Request(scope), error)
                # The routes that would add these headers aren't reached, and a widget must read how long to wait.
                response.headers["Access-Control-Allow-Origin"] = "*"
                response.headers["Access-Control-Expose-Headers"] = "Retry-After"
                await response(scope, receive, send)
                return
        await self._app(scope, receive, send)
