"""`/sitemap.xml`, the sitemaps that it names, and `/robots.txt`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from liveserver import sitemaps
from liveserver.errors import NotFound
from liveserver.model import now
from liveserver.paths import NUMBER
from liveserver.representation import Representation
from liveserver.responding import respond
from liveserver.services import services

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

HEADERS = {"Cache-Control": "public, max-age=60"}
"""Crawlers come by the minute at most; what a sitemap says of a live blog is public in any case."""


async def index(request: Request) -> Response:
    """Which sitemaps there are."""
    parts = services(request)
    return _answer(request, sitemaps.index(await parts.store.highest_number(), parts.renderer))


async def news(request: Request) -> Response:
    """What changed within the last two days."""
    parts = services(request)
    moment = now()
    listings = await parts.store.changed_since(moment - sitemaps.NEWS_AGE, limit=sitemaps.NEWS_LENGTH)
    return _answer(request, sitemaps.news(listings, parts.renderer, now=moment))


async def sitemap(request: Request) -> Response:
    """A part of all live blogs."""
    parts = services(request)
    page: int = request.path_params["number"]
    if page > sitemaps.pages(await parts.store.highest_number()):
        raise NotFound(f"there is no sitemap {page}")
    return _answer(request, sitemaps.sitemap(await parts.store.numbered(sitemaps.numbers(page)), parts.renderer))


async def robots(request: Request) -> Response:
    """What crawlers may read. They look for it at the root of a host only."""
    return _answer(request, sitemaps.robots(services(request).renderer), "text/plain; charset=utf-8")


def _answer(request: Request, body: bytes, media_type: str = sitemaps.MEDIA_TYPE) -> Response:
    return respond(request.scope, Representation(body, media_type, HEADERS))


SITEMAP_ROUTES = [
    Route("/robots.txt", robots),
    Route("/sitemap.xml", index),
    Route("/sitemap-news.xml", news),
    Route(f"/sitemap-{NUMBER}.xml", sitemap),
]
