"""The limit on requests for pages. A middleware counts the requests before they reach the routes.

Requests for streams and for the API are counted by their handlers, against other limits. The API's limits depend on the
API key, which only the handlers know.
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
"""The beginnings of paths for which this middleware counts no requests. The API counts its requests itself. Files
aren't counted, as sending a file costs less than a refusal. A client that asks for files that don't exist is slowed
down (`server/error_responses.py: http_error`)."""
PROBES = frozenset({"/healthz", "/readyz"})
"""The paths that balancers ask for, to see whether the server works. Requests for these paths aren't counted."""


def is_counted(path: str) -> bool:
    """True if this middleware counts requests for the path."""
    return not (path.startswith(UNCOUNTED) or path in PROBES)


class PageLimits:
    """ASGI middleware: counts the requests of each address, and refuses requests beyond the limit.

    Requests for the API, for files and for probes aren't counted. Requests that `FastPath` answers aren't counted
    either, as they don't reach this middleware. To refuse a live blog's page would cost as much as to send it.
    """

    def __init__(self, app: ASGIApp, refuse: Callable[[Request, Exception], Awaitable[Response]]) -> None:
        """`refuse`: a function that returns the answer to a request beyond the limit."""
        self._app = app
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it if its address has sent too many requests."""
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
