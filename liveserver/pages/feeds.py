"""`/live/{slug}/feed.rss`, `.atom` and `.json`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from liveserver.feeds import LENGTH, WRITERS
from liveserver.pages.answers import answer
from liveserver.rendering import FEEDS
from liveserver.services import services

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

# The pages are what search engines should lead to.
HEADERS = {"X-Robots-Tag": "noindex"}


async def feed(request: Request) -> Response:
    """The newest entries, in the format that the address ends with."""
    parts = services(request)
    kind = request.url.path.rpartition(".")[2]
    found = await parts.store.feed(request.path_params["slug"], limit=LENGTH)
    body = WRITERS[kind](found, parts.renderer)
    return answer(request, body, f"{FEEDS[kind]}; charset=utf-8", headers=HEADERS)


FEED_ROUTES = [Route(f"/live/{{slug}}/feed.{kind}", feed) for kind in FEEDS]
