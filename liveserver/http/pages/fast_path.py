"""The fast path answers requests for a live blog's page from the page cache, if it has the current page.

Thousands of such requests may come at once, and the routes need twice as long.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from liveserver.domain.topic import Topic
from liveserver.http.pages.reader import NEWEST
from liveserver.http.responses.prebuilt import respond
from liveserver.http.route_params import Slug

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from liveserver.http.container import Container

_PAGE = re.compile(f"/live/({Slug.regex})")


class FastPath:
    """ASGI middleware: answers `/live/{slug}` with the kept page, if the page is current.

    Every other request goes on to the routes. The routes could answer all requests, but they need twice as long.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request from the page cache, or pass it on."""
        if (
            scope["type"] == "http"
            and scope["method"] in {"GET", "HEAD"}
            and not scope["query_string"]
            and not scope["root_path"]
            and (match := _PAGE.fullmatch(scope["path"])) is not None
        ):
            parts: Container = scope["state"]["services"]
            held = parts.page_cache.held(Topic(match[1]), NEWEST)
            if held is not None:
                await respond(scope, held.representation)(scope, receive, send)
                return
        await self._app(scope, receive, send)
