"""The reader's pages: `/`, `/live/{slug}` and `/live/{slug}/entries/{id}`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from liveserver import errors
from liveserver.conditional import still_holds, tag_of
from liveserver.rendering import EntryPageView, PageView
from liveserver.services import services

if TYPE_CHECKING:
    from starlette.requests import Request

    from liveserver.model import Liveblog

PAGE_SIZE = 20
NEIGHBOURS = 4
INDEX_SIZE = 50

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' https: data:; connect-src 'self'; "
    "object-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Cache-Control": "public, no-cache",
}


async def index(request: Request) -> Response:
    """The live blogs, newest first."""
    parts = services(request)
    liveblogs, _ = await parts.store.liveblogs(limit=INDEX_SIZE)
    return _page(request, parts.renderer.index_page(liveblogs))


async def to_index(request: Request) -> Response:
    """`/live` without a slug."""
    return RedirectResponse("/", 308)


async def without_slash(request: Request) -> Response:
    """The same address without its last slash; the path only, as the Host header is anybody's."""
    return RedirectResponse(request.url.path.rstrip("/"), 308)


async def liveblog_page(request: Request) -> Response:
    """A live blog's newest entries, or with `?cursor=` a page of older ones."""
    parts = services(request)
    slug = request.path_params["slug"]
    cursor = request.query_params.get("cursor")
    if cursor is None:
        snapshot = await parts.store.snapshot(slug, limit=PAGE_SIZE)
        view = PageView(
            snapshot.liveblog,
            snapshot.entries,
            pinned=snapshot.pinned,
            key_events=snapshot.key_events,
            older_cursor=snapshot.next_cursor,
        )
    else:
        try:
            page = await parts.store.entries(slug, limit=PAGE_SIZE, cursor=cursor)
        except errors.Invalid:
            # A link that was cut short: the newest entries serve better than an error.
            return RedirectResponse(parts.renderer.liveblog_url(slug), 303)
        view = PageView(page.liveblog, page.items, older_cursor=page.next_cursor, first=False)
    return _page(request, parts.renderer.page(view))


async def entry_page(request: Request) -> Response:
    """One entry among its neighbours."""
    parts = services(request)
    slug = request.path_params["slug"]
    around = await parts.store.around(slug, request.path_params["id"], before=NEIGHBOURS, after=NEIGHBOURS)
    place = next(i for i, entry in enumerate(around.items) if entry.id == request.path_params["id"])
    view = EntryPageView(
        around.liveblog, around.items[place], newer=around.items[:place], older=around.items[place + 1 :]
    )
    return _page(request, parts.renderer.entry_page(view))


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
    html = services(request).renderer.error_page(status, language=language, liveblog=liveblog)
    headers = {**HEADERS, "Cache-Control": "no-store"}
    if status == 503:
        headers["Retry-After"] = str(errors.StoreUnavailable.retry_after)
    return HTMLResponse(html, status, headers)


def _page(request: Request, html: str) -> Response:
    body = html.encode()
    tag = tag_of(body)
    headers = {**HEADERS, "ETag": tag}
    if still_holds(request.headers.get("if-none-match"), tag):
        return Response(status_code=304, headers=headers)
    return HTMLResponse(body, headers=headers)


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
