"""The reader's pages: `/`, `/live/{slug}` and `/live/{slug}/entries/{id}`."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, lru_cache, partial
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from liveserver.content.translations import FALLBACK
from liveserver.domain import errors
from liveserver.domain.entry import TAG_MAX, Verification
from liveserver.domain.topic import Topic
from liveserver.http.cached_answers import cached_answer
from liveserver.http.container import services
from liveserver.http.rejections import waiting
from liveserver.http.requesters import liveblog_of
from liveserver.http.responses import security_headers
from liveserver.http.responses.page_cache import CachedPage
from liveserver.http.responses.prebuilt import CROWD_CACHE, respond
from liveserver.http.responses.reader_language import reader_language
from liveserver.http.responses.representation import Representation
from liveserver.http.route_params import ID, SLUG
from liveserver.rendering.cooperative import offloaded, prepared
from liveserver.rendering.page_models import EntryPageView, Only, Order, PageView
from liveserver.store.cursors import SortKey

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.datastructures import QueryParams
    from starlette.requests import Request

    from liveserver.domain.liveblog import Liveblog
    from liveserver.http.container import Container
    from liveserver.rendering.page_renderer import PageRenderer

PAGE_SIZE = 20
"""The greatest number of entries on one page of a live blog, besides the pinned entries."""
AHEAD = 12
"""The page of one entry shows at most this many other entries below that entry, in either order."""
BEHIND = 4
"""The page of one entry shows at most this many other entries above that entry, in either order."""
INDEX_SIZE = 50
"""The greatest number of live blogs that the page `/` lists."""
AGAIN_SECONDS = 5
"""The page of a 429 waits for at least this many seconds before it reloads itself. Many readers at the same address may
have such a page open, and each reload counts as one more request of the address."""

NEWEST = ("newest",)
"""The page cache's variant for the first page of a live blog: its newest entries, without a filter."""


def page_headers(pages: PageRenderer) -> dict[str, str]:
    """Return the headers that all of the reader's pages have."""
    return {**security_headers.reader(pages.urls, pages.entries.embed_providers), "Cache-Control": CROWD_CACHE}


def html_representation(pages: PageRenderer, html: str, headers: Mapping[str, str] | None = None) -> Representation:
    """Return the HTML of a page as a representation with the headers of `page_headers`, and also with `headers`."""
    return Representation(html.encode(), "text/html; charset=utf-8", {**page_headers(pages), **(headers or {})})


async def index(request: Request) -> Response:
    """Answer with the page that lists the live blogs, newest first.

    The page is in the reader's language. If we have no texts in it, the page is in the first live blog's language, or
    else in English.
    """
    language = reader_language(request.headers.get("accept-language"))
    return respond(request.scope, await services(request).index.get(language))


async def to_index(request: Request) -> Response:
    """Redirect `/live` without a slug to the list of live blogs."""
    return RedirectResponse("/", 308)


async def without_slash(request: Request) -> Response:
    """Redirect to the same path without its last slash.

    The redirect names only a path and no host, as a client may send any Host header.
    """
    return RedirectResponse(request.url.path.rstrip("/"), 308)


async def liveblog_page(request: Request) -> Response:
    """Answer with a page of a live blog: its newest entries, or the entries that the query chooses.

    If the query isn't valid, redirect to the live blog's page without a query.
    """
    parts, slug = services(request), request.path_params["slug"]
    try:
        choice = _choice(request.query_params) if request.scope["query_string"] else NEWEST_FIRST
        if choice == NEWEST_FIRST:
            cached = await cached_answer(request, NEWEST, partial(_newest, parts, slug))
        else:
            cached = await cached_answer(request, ("list", *choice), partial(_list, parts, slug, choice))
    except errors.InvalidInput:
        # Somebody may have cut the link short. If the live blog exists, its newest entries are better than an error.
        await liveblog_of(request.scope, slug)
        return RedirectResponse(parts.pages.urls.liveblog(slug), 303)
    return respond(request.scope, cached.representation)


class Choice(NamedTuple):
    """The query of a live blog's page: which entries the page lists, and in which order."""

    order: Order = "newest"
    cursor: str | None = None
    tag: str | None = None
    key_events: bool = False
    verification: Verification | None = None

    @property
    def only(self) -> Only:
        """The filter that the query makes: all fields of the choice except its order and its cursor."""
        return Only(self.tag, self.key_events, self.verification)


NEWEST_FIRST = Choice()


def _choice(query: QueryParams) -> Choice:
    """Return a query as a `Choice`. Raises InvalidInput if the query's verification, cursor or tag isn't valid."""
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
    # There are entries before a page that begins at a cursor. The link to them starts at the page's first entry. If the
    # page has no entries, as they have been deleted meanwhile, the link starts at the cursor.
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
        return CachedPage.of(view.liveblog, html_representation(pages, pages.page(view)))

    return await offloaded(make, entries)


async def entry_page(request: Request) -> Response:
    """Answer with the page of one entry. The page also shows some of the entries before and after that entry.

    The newest entry is at the top of the page; with `?order=oldest`, the newest entry is at the bottom.
    """
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
        return CachedPage.of(around.liveblog, html_representation(pages, pages.entry_page(view)))

    return await offloaded(make, around.items)


async def error_page(request: Request, status: int) -> Response:
    """Return the page of an error. If the live blog that the path names can be read, the page links to it.

    A page with such a link is in the live blog's language. A page without such a link is in the reader's language. If
    reading the live blog fails, no error is raised.
    """
    liveblog = None
    slug = request.path_params.get("slug")
    # A 404 on a path without an entry means that the live blog doesn't exist: the store isn't asked for it again.
    if slug is not None and (status != 404 or "id" in request.path_params):
        try:
            liveblog = await liveblog_of(request.scope, slug)
        except errors.LiveserverError:
            liveblog = None
    return plain_error_page(request, status, liveblog)


def too_many_page(request: Request, error: errors.TooManyRequests) -> Response:
    """Return the page of a 429, which reloads itself after some seconds.

    The page has no links, as following a link would be one more request.
    """
    pages = services(request).pages
    seconds = max(error.retry_after, AGAIN_SECONDS)
    html = _error_page(pages, 429, accepted_language(request), seconds)
    reload = {"Cache-Control": "no-store", "Refresh": str(seconds)}
    return HTMLResponse(html, 429, {**page_headers(pages), **reload, **waiting(error)})


def plain_error_page(request: Request, status: int, liveblog: Liveblog | None = None) -> Response:
    """Return the page of an error, without reading the store.

    `liveblog`: the live blog to which the page links; the page is then in the live blog's language. None for a page
    without such a link; the page is then in the reader's language.
    """
    pages = services(request).pages
    if liveblog is None:
        html = _error_page(pages, status, accepted_language(request))
    else:
        html = pages.error_page(status, language=accepted_language(request), liveblog=liveblog)
    sent = {**page_headers(pages), "Cache-Control": "no-store"}
    if status == 503:
        sent["Retry-After"] = str(errors.StoreUnavailable.retry_after)
    return HTMLResponse(html, status, sent)


def accepted_language(request: Request) -> str:
    """Return the reader's language if we have texts in it, and English otherwise.

    The language is for a page that belongs to no live blog.
    """
    return reader_language(request.headers.get("accept-language")) or FALLBACK


@lru_cache(maxsize=16)
def _error_page(pages: PageRenderer, status: int, language: str, seconds: int | None = None) -> str:
    """Return the HTML of an error page that links to no live blog. `seconds`: as for `PageRenderer.error_page`.

    The HTML is kept in memory, as a client that asks too often gets the same page many times.
    """
    return pages.error_page(status, language=language, seconds=seconds)


async def service_worker(request: Request) -> Response:
    """Answer with the script of the service worker, which shows pages when there is no network.

    The script is at `/live/sw.js`, as a service worker governs only the pages below its own path.
    """
    return respond(request.scope, _service_worker())


@cache
def _service_worker() -> Representation:
    script = (files("liveserver.rendering") / "static" / "sw.js").read_bytes()
    return Representation(script, "text/javascript; charset=utf-8", {"Cache-Control": "no-cache"})


async def favicon(request: Request) -> Response:
    """Redirect `/favicon.ico` to the icon, for clients that ask for that path without having read one of our pages."""
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
