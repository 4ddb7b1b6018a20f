"""The count and time of each request, and the headers that every answer carries."""

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
"""Tells whether a debug line would be logged, before the line is made: every request pays for this check."""


class RequestMetrics:
    """ASGI middleware: counts and times HTTP requests, and adds headers to their answers."""

    def __init__(
        self,
        app: ASGIApp,
        headers: RawHeaders,
        ended: Callable[[Request], Awaitable[Response]],
        observe: Callable[[Scope], None],
    ) -> None:
        """`headers`: added to every answer. `ended`: answers a request that the server's end has cancelled.

        `observe`: called with each request before anything else is done for it.
        """
        self._observe = observe
        self._app = app
        self._headers = headers
        self._ended = ended

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self._observe(scope)
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
                # A new list: the one in the message may be shared by all answers with that page.
                headers = message["headers"] = [*message.get("headers", ()), *self._headers]
                if parts.hub.draining:
                    # Otherwise a proxy keeps the connection for its next request, and finds it closed.
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
            # uvicorn cancels requests that are still under way at its end, and would answer 500, as if we had failed.
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
