"""What is noted of each request, and the headers that every answer carries."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

import structlog
from starlette.requests import Request

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from liveserver.http.container import Container
    from liveserver.http.responses.representation import RawHeaders

log = structlog.get_logger(__name__)
_log_level = logging.getLogger(__name__)
"""To ask whether a line would be logged, before it is made: this is a part of every request's cost."""


class RequestMetrics:
    """ASGI middleware: counts and times HTTP requests, and adds headers to their answers."""

    def __init__(
        self,
        app: ASGIApp,
        headers: RawHeaders,
        ended: Callable[[Request], Awaitable[Response]],
        look: Callable[[Scope], None],
    ) -> None:
        """`headers`: what every answer carries. `ended` answers a request that the server's end has cancelled.

        `look` sees each request before anything is done for it.
        """
        self._look = look
        self._app = app
        self._headers = headers
        self._ended = ended

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self._look(scope)
        parts: Container = scope["state"]["services"]
        started = time.perf_counter()
        answered = False
        # An endpoint that returns without an answer has handed its connection over: that is a stream too.
        status = 200
        stream = True

        async def observed_send(message: Message) -> None:
            nonlocal answered, status, stream
            if message["type"] == "http.response.start":
                answered = True
                status = message["status"]
                # The list may be shared by every answer of a page.
                headers = message["headers"] = [*message.get("headers", ()), *self._headers]
                if parts.hub.draining:
                    # A proxy that keeps the connection for its next request would find it closed.
                    headers.append((b"connection", b"close"))
                stream = False
                for name, value in headers:
                    if name == b"content-type":
                        stream = value.startswith(b"text/event-stream")
                        break
            await send(message)

        try:
            await self._app(scope, receive, observed_send)
        except asyncio.CancelledError:
            # uvicorn, out of patience with requests under way: left to itself it answers 500, as if we had failed.
            if answered:
                raise
            response = await self._ended(Request(scope))
            await response(scope, receive, observed_send)
        except BaseException:
            status, stream = 500, False
            raise
        finally:
            seconds = time.perf_counter() - started
            parts.metrics.answered(scope["method"], status, None if stream else seconds)
            if _log_level.isEnabledFor(logging.DEBUG):
                log.debug("http", method=scope["method"], path=scope["path"], status=status, ms=round(seconds * 1e3, 1))
