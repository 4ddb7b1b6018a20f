"""The limit on requests for pages. They are counted before the routes are reached.

Streams and the API have limits of their own. Their handlers count these requests, as they know the API key of each.
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
"""The beginnings of paths whose requests this middleware doesn't count. The API counts its own requests, and a file
costs less than a refusal. Requests for files that don't exist slow their client down
(`server/error_responses.py: http_error`)."""
PROBES = frozenset({"/healthz", "/readyz"})
"""The paths that balancers ask for, to see whether the server works. They aren't counted."""


def is_counted(path: str) -> bool:
    """True if this middleware counts requests for the path."""
    return not (path.startswith(UNCOUNTED) or path in PROBES)


class PageLimits:
    """ASGI middleware: counts, by address, all requests but those for the API, files and probes; refuses too many.

    `FastPath` comes before it, and its answers aren't counted: to refuse a live blog's page costs as much as to send
    it.
    """

    def __init__(self, app: ASGIApp, refuse: Callable[[Request, Exception], Awaitable[Response]]) -> None:
        """`refuse`: a function that returns the answer to a request that is one too many."""
        self._app = app
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it if its address has sent too many."""
        if scope["type"] == "http" and is_counted(scope["path"]):
            parts: Container = scope["state"]["services"]
            try:
                parts.limits.page(scope.get("client"))
            except TooManyRequests as error:
                response = await self._refuse(Request(scope), error)
                # The routes would add these headers, but aren't reached. A widget must be able to read how long to
                # wait.
                response.headers["Access-Control-Allow-Origin"] = "*"
                response.headers["Access-Control-Expose-Headers"] = "Retry-After"
                await response(scope, receive, send)
                return
        await self._app(scope, receive, send)
