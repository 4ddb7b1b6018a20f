"""`/live/{slug}/feed.rss`, `.atom` and `.json`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from starlette.routing import Route

from liveserver.domain.change import Position
from liveserver.http.cached_answers import cached_answer
from liveserver.http.container import services
from liveserver.http.responses.page_cache import CachedPage
from liveserver.http.responses.prebuilt import readable_by, respond
from liveserver.http.responses.representation import Representation
from liveserver.http.route_params import SLUG
from liveserver.rendering.cooperative import offloaded, prepared
from liveserver.rendering.feeds.writers import LENGTH, WRITERS
from liveserver.rendering.urls import FEEDS

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from liveserver.access.partner_admission import Readers
    from liveserver.http.container import Container

HEADERS = {
    "Cache-Control": "public, no-cache",
    # The pages are what search engines should lead to.
    "X-Robots-Tag": "noindex",
}


async def feed(request: Request) -> Response:
    """The newest entries, in the format that the address ends with."""
    parts, slug = services(request), request.path_params["slug"]
    kind = request.url.path.rpartition(".")[2]
    readers = await parts.partners.readers(slug, request.scope["headers"])
    make = partial(_feed, parts, slug, kind, readers)
    cached = await cached_answer(request, ("feed", kind, readers.name), make)
    return respond(request.scope, cached.representation)


async def _feed(parts: Container, slug: str, kind: str, readers: Readers) -> CachedPage:
    found = await parts.store.liveblogs.feed(slug, limit=LENGTH)
    renderer = await prepared(parts.pages.entries, found.liveblog, found.entries, feed=True)
    headers = {**HEADERS, **readable_by(readers)}

    def write() -> Representation:
        return Representation(WRITERS[kind](found, renderer), f"{FEEDS[kind]}; charset=utf-8", headers)

    position = Position(found.liveblog.epoch, found.liveblog.seq)
    return CachedPage(position, await offloaded(write, found.entries))


FEED_ROUTES = [Route(f"/live/{SLUG}/feed.{kind}", feed) for kind in FEEDS]
