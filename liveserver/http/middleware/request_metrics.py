"""A middleware that counts and times each request, and adds the headers that every answer has."""

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
_logger = logging.getLogger(__name__)
"""The logger whose level decides whether debug lines are logged. Its level is checked before a line is made, as most
servers log no debug lines."""


class RequestMetrics:
    """ASGI middleware: counts and times HTTP requests, and adds headers to their answers."""

    def __init__(
        self,
        app: ASGIApp,
        headers: RawHeaders,
        ended: Callable[[Request], Awaitable[Response]],
        observe: Callable[[Scope], None],
    ) -> None:
        """`headers`: the headers that every answer gets.

        `observe`: a function that is called with each request's scope before the request is answered. `ended`: a
        function that returns the answer to a request that was cancelled because the server ends.
        """
        self._observe = observe
        self._app = app
        self._headers = headers
        self._ended = ended

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request. WebSockets are passed to the application without any change."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self._observe(scope)
        parts: Container = scope["state"]["services"]
        started = time.perf_counter()
        answered = False
        # An endpoint that returns without sending an answer has handed its connection over to the hub: it is a stream.
        status = 200
        stream = True

        async def observed_send(message: Message) -> None:
            nonlocal answered, status, stream
            if message["type"] == "http.response.start":
                answered = True
                status = message["status"]
                # A new list is made, as all answers with the same page may share the list in the message.
                headers = message["headers"] = [*message.get("headers", ()), *self._headers]
                if parts.hub.draining:
                    # Otherwise a proxy would keep the connection for its next request, and find it closed then.
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
            # When uvicorn ends, it cancels the requests under way. It would answer them with 500, as after a crash.
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
            if _logger.isEnabledFor(logging.DEBUG):
                log.debug("http", method=scope["method"], path=scope["path"], status=status, ms=round(seconds * 1e3, 1))
