"""The reader's pages: `/`, `/live/{slug}` and `/live/{slug}/entries/{id}`."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, lru_cache, partial
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from liveserver.domain import errors
from liveserver.domain.change import Position
from liveserver.domain.entry import TAG_MAX, Verification
from liveserver.domain.topic import Topic
from liveserver.http.cached_answers import cached_answer
from liveserver.http.container import services
from liveserver.http.rejections import waiting
from liveserver.http.requesters import liveblog_of
from liveserver.http.responses import security_headers
from liveserver.http.responses.page_cache import CachedPage
from liveserver.http.responses.prebuilt import CROWD_CACHE, respond
from liveserver.http.responses.representation import Representation
from liveserver.http.route_params import ID, SLUG
from liveserver.rendering.cooperative import offloaded, prepared
from liveserver.rendering.page_models import EntryPageView, Only, Order, PageView
from liveserver.store.cursors import SortKey

if TYPE_CHECKING:
    from starlette.datastructures import QueryParams
    from starlette.requests import Request

    from liveserver.domain.liveblog import Liveblog
    from liveserver.http.container import Container
    from liveserver.rendering.page_renderer import PageRenderer

PAGE_SIZE = 20
AHEAD = 12
"""Entries after the one linked, as the page is read."""
BEHIND = 4
"""Entries before it."""
INDEX_SIZE = 50
AGAIN_SECONDS = 5
"""After how many seconds at least a page that was one too many asks again: the others of its address do as well."""

NEWEST = ("newest",)
"""The variant that `/live/{slug}` shows."""


def page_headers(pages: PageRenderer) -> dict[str, str]:
    """The headers of every page."""
    return {**security_headers.reader(pages.urls, pages.entries.embed_providers), "Cache-Control": CROWD_CACHE}


def html_representation(pages: PageRenderer, html: str) -> Representation:
    """A page, ready to be sent."""
    return Representation(html.encode(), "text/html; charset=utf-8", page_headers(pages))


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
    """A live blog's newest entries; with a query, others: older ones, the oldest first, those with a tag."""
    parts, slug = services(request), request.path_params["slug"]
    try:
        choice = _choice(request.query_params) if request.scope["query_string"] else NEWEST_FIRST
        if choice == NEWEST_FIRST:
            cached = await cached_answer(request, NEWEST, partial(_newest, parts, slug))
        else:
            cached = await cached_answer(request, ("list", *choice), partial(_list, parts, slug, choice))
    except errors.InvalidInput:
        # A link that was cut short: the newest entries serve better than an error, where there are any.
        await liveblog_of(request.scope, slug)
        return RedirectResponse(parts.pages.urls.liveblog(slug), 303)
    return respond(request.scope, cached.representation)


class Choice(NamedTuple):
    """Which of a live blog's entries."""

    order: Order = "newest"
    cursor: str | None = None
    tag: str | None = None
    key_events: bool = False
    verification: Verification | None = None

    @property
    def only(self) -> Only:
        """What the entries are limited to."""
        return Only(self.tag, self.key_events, self.verification)


NEWEST_FIRST = Choice()


def _choice(query: QueryParams) -> Choice:
    """What a query asks for. Raises InvalidInput for a verification, a cursor or a tag that there can't be."""
    cursor, tag = query.get("cursor"), query.get("tag")
    if tag is not None and len(tag) > TAG_MAX:
        raise errors.InvalidInput([errors.FieldError("?tag", "is longer than any tag")])
    verification = query.get("verification")
    if verification is not None and verification not in set(Verification):
        raise errors.InvalidInput([errors.FieldError("?verification", "is none of them")])
    return Choice(
        "oldest" if query.get("order") == "oldest" else "newest",
        None if cursor is None else SortKey.parse(cursor).cursor(),
        tag,
        query.get("key_events") == "true",
        Verification(verification) if verification else None,
    )


async def _newest(parts: Container, slug: str) -> CachedPage:
    snapshot = await parts.history.snapshot(Topic(slug), limit=PAGE_SIZE)
    return await _page(parts, PageView.of(snapshot))


async def _list(parts: Container, slug: str, choice: Choice) -> CachedPage:
    page = await parts.store.entries.page(slug, limit=PAGE_SIZE, **choice._asdict())
    # A page that begins at a cursor has the other side's entries before it. Should all of them have gone meanwhile, its
    # first entry is as good a place as any.
    before = SortKey.of(page.items[0]).cursor() if choice.cursor and page.items else choice.cursor
    newest = choice.order == "newest"
    view = PageView(
        page.liveblog,
        page.items,
        older_cursor=page.next_cursor if newest else before,
        newer_cursor=before if newest else page.next_cursor,
        first=False,
        order=choice.order,
        only=choice.only,
    )
    return await _page(parts, view)


async def _page(parts: Container, view: PageView) -> CachedPage:
    entries = [*view.pinned, *view.entries]
    prepared_entries = await prepared(parts.pages.entries, view.liveblog, entries, named=view.key_events)
    pages = replace(parts.pages, entries=prepared_entries)

    def make() -> CachedPage:
        return _rendition(pages, view.liveblog, pages.page(view))

    return await offloaded(make, entries)


async def entry_page(request: Request) -> Response:
    """One entry among its neighbours; with `?order=oldest` to be read on from."""
    parts, slug, entry_id = services(request), request.path_params["slug"], request.path_params["id"]
    order: Order = "oldest" if request.query_params.get("order") == "oldest" else "newest"
    cached = await cached_answer(request, ("entry", entry_id, order), partial(_entry, parts, slug, entry_id, order))
    return respond(request.scope, cached.representation)


async def _entry(parts: Container, slug: str, entry_id: str, order: Order) -> CachedPage:
    before, after = (AHEAD, BEHIND) if order == "newest" else (BEHIND, AHEAD)
    around = await parts.store.entries.around(slug, entry_id, before=before, after=after)
    pages = replace(parts.pages, entries=await prepared(parts.pages.entries, around.liveblog, around.items))
    place = next(i for i, entry in enumerate(around.items) if entry.id == entry_id)
    view = EntryPageView(
        around.liveblog,
        around.items[place],
        newer=around.items[:place],
        older=around.items[place + 1 :],
        older_cursor=around.older_cursor,
        newer_cursor=around.newer_cursor,
        order=order,
    )

    def make() -> CachedPage:
        return _rendition(pages, around.liveblog, pages.entry_page(view))

    return await offloaded(make, around.items)


def _rendition(pages: PageRenderer, liveblog: Liveblog, html: str) -> CachedPage:
    return CachedPage(Position(liveblog.epoch, liveblog.seq), html_representation(pages, html))


async def error_page(request: Request, status: int) -> Response:
    """What a person sees of an error: in the live blog's language, with a way back to it, where there is one."""
    liveblog = None
    slug = request.path_params.get("slug")
    # Where a path doesn't go on to an entry, it is the live blog that wasn't found: another look wouldn't find it.
    if slug is not None and (status != 404 or "id" in request.path_params):
        try:
            liveblog = await liveblog_of(request.scope, slug)
        except errors.LiveserverError:
            liveblog = None
    return plain_error_page(request, status, liveblog)


def too_many_page(request: Request, error: errors.TooManyRequests) -> Response:
    """What a person sees who has asked for too much: it asks again by itself, as any link would be one more request."""
    pages = services(request).pages
    seconds = max(error.retry_after, AGAIN_SECONDS)
    html = _error_page(pages, 429, _language(request), seconds)
    own = {"Cache-Control": "no-store", "Refresh": str(seconds)}
    return HTMLResponse(html, 429, {**page_headers(pages), **own, **waiting(error)})


def plain_error_page(request: Request, status: int, liveblog: Liveblog | None = None) -> Response:
    """The same without a look at the database."""
    pages = services(request).pages
    if liveblog is None:
        html = _error_page(pages, status, _language(request))
    else:
        html = pages.error_page(status, language=_language(request), liveblog=liveblog)
    sent = {**page_headers(pages), "Cache-Control": "no-store"}
    if status == 503:
        sent["Retry-After"] = str(errors.StoreUnavailable.retry_after)
    return HTMLResponse(html, status, sent)


def _language(request: Request) -> str:
    return "fr" if request.headers.get("accept-language", "").lower().startswith("fr") else "en"


@lru_cache(maxsize=16)
def _error_page(pages: PageRenderer, status: int, language: str, seconds: int | None = None) -> str:
    """Kept, as who asks for too much is answered so again and again."""
    return pages.error_page(status, language=language, seconds=seconds)


async def service_worker(request: Request) -> Response:
    """What shows a page without a network. From here it governs the reader's pages; browsers look for a newer one."""
    return respond(request.scope, _service_worker())


@cache
def _service_worker() -> Representation:
    script = (files("liveserver.rendering") / "static" / "sw.js").read_bytes()
    return Representation(script, "text/javascript; charset=utf-8", {"Cache-Control": "no-cache"})


async def favicon(request: Request) -> Response:
    """For whoever asks for it without having read a page of ours."""
    return RedirectResponse("/static/icon.svg", 308)


PAGE_ROUTES = [
    Route("/", index),
    Route("/live", to_index),
    Route("/favicon.ico", favicon),
    Route("/live/sw.js", service_worker),
    Route(f"/live/{SLUG}", liveblog_page),
    Route(f"/live/{SLUG}/", without_slash),
    Route(f"/live/{SLUG}/entries/{ID}", entry_page),
    Route(f"/live/{SLUG}/entries/{ID}/", without_slash),
]
