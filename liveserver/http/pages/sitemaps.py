"""Files for crawlers: `/sitemap.xml`, the sitemaps that it names, and `/robots.txt`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from starlette.routing import Route

from liveserver.domain.errors import NotFound
from liveserver.domain.ids import now
from liveserver.http.container import services
from liveserver.http.requesters import requester_of
from liveserver.http.responses.prebuilt import respond
from liveserver.http.responses.representation import Representation
from liveserver.http.route_params import NUMBER
from liveserver.rendering.feeds import sitemaps

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from liveserver.http.container import Container

HEADERS = {"Cache-Control": "public, max-age=60"}
"""The headers of sitemaps and `robots.txt`. Any cache may keep these files for a minute: nothing in them is secret, and
it doesn't matter if crawlers learn of a new page a minute later."""


async def index(request: Request) -> Response:
    """Answer with the index of sitemaps."""
    return await _answer(request, "index", partial(_index, services(request)))


async def _index(parts: Container) -> Representation:
    return _representation(sitemaps.index(await parts.store.liveblogs.highest_number(), parts.pages.urls))


async def news(request: Request) -> Response:
    """Answer with the news sitemap: the live blogs that have entries and changed within the last two days.

    At most `NEWS_LENGTH` live blogs are listed. A change of an entry counts as a change of its live blog.
    """
    return await _answer(request, "news", partial(_news, services(request)))


async def _news(parts: Container) -> Representation:
    moment = now()
    listings = await parts.store.liveblogs.changed_since(moment - sitemaps.NEWS_AGE, limit=sitemaps.NEWS_LENGTH)
    return _representation(
        sitemaps.news(listings, parts.pages.urls, site_name=parts.pages.entries.site_name, now=moment)
    )


async def sitemap(request: Request) -> Response:
    """Answer with the sitemap that has the number in the path. All numbered sitemaps together list all live blogs.

    Raises NotFound if there is no sitemap of that number.
    """
    page: int = request.path_params["number"]
    return await _answer(request, page, partial(_sitemap, services(request), page))


async def _sitemap(parts: Container, page: int) -> Representation:
    if page > sitemaps.pages(await parts.store.liveblogs.highest_number()):
        raise NotFound(f"there is no sitemap {page}")
    return _representation(
        sitemaps.sitemap(await parts.store.liveblogs.numbered(sitemaps.numbers(page)), parts.pages.urls)
    )


async def robots(request: Request) -> Response:
    """Answer with `robots.txt`. Crawlers look for this file only at the root of a host."""
    body = sitemaps.robots(services(request).pages.urls)
    return respond(request.scope, _representation(body, "text/plain; charset=utf-8"))


async def _answer(request: Request, key: str | int, make: Callable[[], Awaitable[Representation]]) -> Response:
    requester = requester_of(request.scope, "sitemaps")
    return respond(request.scope, await services(request).dated.get(("sitemap", key), make, requester))


def _representation(body: bytes, media_type: str = sitemaps.MEDIA_TYPE) -> Representation:
    return Representation(body, media_type, HEADERS)


SITEMAP_ROUTES = [
    Route("/robots.txt", robots),
    Route("/sitemap.xml", index),
    Route("/sitemap-news.xml", news),
    Route(f"/sitemap-{NUMBER}.xml", sitemap),
]
