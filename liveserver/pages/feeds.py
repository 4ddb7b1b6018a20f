"""`/live/{slug}/feed.rss`, `.atom` and `.json`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from starlette.routing import Route

from liveserver.api.requests import rendition_of
from liveserver.feeds import LENGTH, WRITERS
from liveserver.model import Position
from liveserver.pacing import assembled
from liveserver.paths import SLUG
from liveserver.rendering import FEEDS
from liveserver.renditions import Rendition
from liveserver.representation import Representation
from liveserver.responding import readable_by, respond
from liveserver.services import services

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from liveserver.partners import Readers
    from liveserver.services import Services

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
    rendition = await rendition_of(request, ("feed", kind, readers.name), make)
    return respond(request.scope, rendition.representation)


async def _feed(parts: Services, slug: str, kind: str, readers: Readers) -> Rendition:
    found = await parts.store.feed(slug, limit=LENGTH)
    renderer = await parts.renderer.prepared(found.liveblog, found.entries, feed=True)
    headers = {**HEADERS, **readable_by(readers)}

    def write() -> Representation:
        return Representation(WRITERS[kind](found, renderer), f"{FEEDS[kind]}; charset=utf-8", headers)

    position = Position(found.liveblog.epoch, found.liveblog.seq)
    return Rendition(position, await assembled(write, found.entries))


FEED_ROUTES = [Route(f"/live/{SLUG}/feed.{kind}", feed) for kind in FEEDS]
