"""The feeds of a live blog: `/live/{slug}/feed.rss`, `.atom` and `.json`."""

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
    # Search engines should list the pages, and not the feeds.
    "X-Robots-Tag": "noindex",
}


async def feed(request: Request) -> Response:
    """Answer with a live blog's newest entries, as a feed in the format that the address names."""
    parts, slug = services(request), request.path_params["slug"]
    extension = request.url.path.rpartition(".")[2]
    readers = await parts.partners.readers(slug, request.scope["headers"])
    make = partial(_feed, parts, slug, extension, readers)
    cached = await cached_answer(request, ("feed", extension, readers.name), make)
    return respond(request.scope, cached.representation)


async def _feed(parts: Container, slug: str, extension: str, readers: Readers) -> CachedPage:
    feed = await parts.store.liveblogs.feed(slug, limit=LENGTH)
    renderer = await prepared(parts.pages.entries, feed.liveblog, feed.entries, feed=True)
    headers = {**HEADERS, **readable_by(readers)}

    def write() -> Representation:
        return Representation(WRITERS[extension](feed, renderer), f"{FEEDS[extension]}; charset=utf-8", headers)

    position = Position(feed.liveblog.epoch, feed.liveblog.seq)
    return CachedPage(position, await offloaded(write, feed.entries))


FEED_ROUTES = [Route(f"/live/{SLUG}/feed.{extension}", feed) for extension in FEEDS]
