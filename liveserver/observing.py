"""What is noted of each request, and the headers that every answer carries."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog
from starlette.datastructures import MutableHeaders

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from liveserver.services import Services

log = structlog.get_logger(__name__)


class Observing:
    """ASGI middleware: counts and times HTTP requests, and forbids browsers to guess content types."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        # An endpoint that returns without an answer has handed its connection over: that is a stream too.
        status = 200
        stream = True

        async def observed_send(message: Message) -> None:
            nonlocal status, stream
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Content-Type-Options"] = "nosniff"
                stream = headers.get("content-type", "").startswith("text/event-stream")
            await send(message)

        try:
            await self._app(scope, receive, observed_send)
        except BaseException:
            status, stream = 500, False
            raise
        finally:
            seconds = time.perf_counter() - started
            parts: Services = scope["state"]["services"]
            parts.metrics.requests.labels(scope["method"], str(status)).inc()
            if not stream:
                parts.metrics.request_seconds.observe(seconds)
            log.debug("http", method=scope["method"], path=scope["path"], status=status, ms=round(seconds * 1e3, 1))
