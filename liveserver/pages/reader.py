"""The reader's pages: `/`, `/live/{slug}` and `/live/{slug}/entries/{id}`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from liveserver import errors
from liveserver.model import Position
from liveserver.rendering import EntryPageView, PageView
from liveserver.renditions import Rendition
from liveserver.representation import Representation
from liveserver.responding import CROWD_CACHE, respond
from liveserver.services import services

if TYPE_CHECKING:
    from starlette.requests import Request

    from liveserver.model import Liveblog
    from liveserver.rendering import Renderer
    from liveserver.services import Services

PAGE_SIZE = 20
NEIGHBOURS = 4
INDEX_SIZE = 50

NEWEST = ("newest",)
"""The variant that `/live/{slug}` shows."""


def page_headers(renderer: Renderer) -> dict[str, str]:
    """The headers of every page. Its frames are those of embeds, which a reader opens with a click."""
    media = urlsplit(renderer.media_url)
    policy = (
        "default-src 'self'; script-src 'self'; style-src 'self'; "
        f"img-src 'self' https: data: {media.scheme}://{media.netloc}; connect-src 'self'; "
        f"frame-src {' '.join(renderer.embeds.frame_sources)}; "
        "object-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
    )
    return {
        "Content-Security-Policy": policy,
        "Referrer-Policy": "strict-origin-when-cross-origin",
        "Cache-Control": CROWD_CACHE,
    }


def html_representation(renderer: Renderer, html: str) -> Representation:
    """A page, ready to be sent."""
    return Representation(html.encode(), "text/html; charset=utf-8", page_headers(renderer))


async def index(request: Request) -> Response:
    """The live blogs, newest first."""
    return respond(request.scope, await services(request).index.get())


async def to_index(request: Request) -> Response:
    """`/live` without a slug."""
    return RedirectResponse("/", 308)


async def without_slash(request: Request) -> Response:
    """The same address without its last slash; the path only, as the Host header is anybody's."""
    return RedirectResponse(request.url.path.rstrip("/"), 308)


async def liveblog_page(request: Request) -> Response:
    """A live blog's newest entries, or with `?cursor=` a page of older ones."""
    parts, slug = services(request), request.path_params["slug"]
    cursor = request.query_params.get("cursor") if request.scope["query_string"] else None
    try:
        if cursor is None:
            rendition = await parts.renditions.get(slug, NEWEST, partial(_newest, parts, slug))
        else:
            rendition = await parts.renditions.get(slug, ("older", cursor), partial(_older, parts, slug, cursor))
    except errors.Invalid:
        # A link that was cut short: the newest entries serve better than an error.
        return RedirectResponse(parts.renderer.liveblog_url(slug), 303)
    return respond(request.scope, rendition.representation)


async def _newest(parts: Services, slug: str) -> Rendition:
    snapshot = await parts.store.snapshot(slug, limit=PAGE_SIZE)
    view = PageView(
        snapshot.liveblog,
        snapshot.entries,
        pinned=snapshot.pinned,
        key_events=snapshot.key_events,
        older_cursor=snapshot.next_cursor,
        began_at=snapshot.began_at,
        changed_at=snapshot.changed_at,
    )
    return _rendition(parts, snapshot.liveblog, parts.renderer.page(view))


async def _older(parts: Services, slug: str, cursor: str) -> Rendition:
    page = await parts.store.entries(slug, limit=PAGE_SIZE, cursor=cursor)
    view = PageView(page.liveblog, page.items, older_cursor=page.next_cursor, first=False)
    return _rendition(parts, page.liveblog, parts.renderer.page(view))


async def entry_page(request: Request) -> Response:
    """One entry among its neighbours."""
    parts, slug, entry_id = services(request), request.path_params["slug"], request.path_params["id"]
    rendition = await parts.renditions.get(slug, ("entry", entry_id), partial(_entry, parts, slug, entry_id))
    return respond(request.scope, rendition.representation)


async def _entry(parts: Services, slug: str, entry_id: str) -> Rendition:
    around = await parts.store.around(slug, entry_id, before=NEIGHBOURS, after=NEIGHBOURS)
    place = next(i for i, entry in enumerate(around.items) if entry.id == entry_id)
    view = EntryPageView(
        around.liveblog, around.items[place], newer=around.items[:place], older=around.items[place + 1 :]
    )
    return _rendition(parts, around.liveblog, parts.renderer.entry_page(view))


def _rendition(parts: Services, liveblog: Liveblog, html: str) -> Rendition:
    return Rendition(Position(liveblog.epoch, liveblog.seq), html_representation(parts.renderer, html))


async def error_page(request: Request, status: int) -> Response:
    """What a person sees of an error: in the live blog's language, with a way back to it, where there is one."""
    parts = services(request)
    liveblog = None
    slug = request.path_params.get("slug")
    if slug is not None:
        try:
            liveblog = await parts.store.liveblog(slug)
        except errors.LiveserverError:
            liveblog = None
    return plain_error_page(request, status, liveblog)


def plain_error_page(request: Request, status: int, liveblog: Liveblog | None = None) -> Response:
    """The same without a look at the database."""
    accepted = request.headers.get("accept-language", "")
    language = "fr" if accepted.lower().startswith("fr") else "en"
    renderer = services(request).renderer
    html = renderer.error_page(status, language=language, liveblog=liveblog)
    headers = {**page_headers(renderer), "Cache-Control": "no-store"}
    if status == 503:
        headers["Retry-After"] = str(errors.StoreUnavailable.retry_after)
    return HTMLResponse(html, status, headers)


async def favicon(request: Request) -> Response:
    """For whoever asks for it without having read a page of ours."""
    return RedirectResponse("/static/icon.svg", 308)


PAGE_ROUTES = [
    Route("/", index),
    Route("/live", to_index),
    Route("/favicon.ico", favicon),
    Route("/live/{slug}", liveblog_page),
    Route("/live/{slug}/", without_slash),
    Route("/live/{slug}/entries/{id}", entry_page),
    Route("/live/{slug}/entries/{id}/", without_slash),
]
