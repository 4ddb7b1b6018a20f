"""What other sites load: `/embed/v1.js`, the page for frames, the fragment, the page to try it; and `/oembed`."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from liveserver.access.partner_admission import Readers
from liveserver.content.translations import known_language
from liveserver.domain import errors
from liveserver.domain.change import Position
from liveserver.domain.ids import PARTNER_ID_PATTERN
from liveserver.domain.topic import Topic
from liveserver.http.cached_answers import cached_answer, cached_answer_for, headers_for
from liveserver.http.container import services
from liveserver.http.pages.reader import html_representation
from liveserver.http.rejections import refused
from liveserver.http.requesters import liveblog_of, requester_of
from liveserver.http.responses import security_headers
from liveserver.http.responses.page_cache import CachedPage
from liveserver.http.responses.prebuilt import CROWD_CACHE, POLL_CACHE, readable_by, respond
from liveserver.http.responses.representation import Representation
from liveserver.http.route_params import HASH, SLUG
from liveserver.protocol import encoding
from liveserver.rendering.cooperative import offloaded, prepared
from liveserver.rendering.page_models import PageView
from liveserver.rendering.widget_renderer import LIMIT, THEMES, WidgetOptions

if TYPE_CHECKING:
    from starlette.requests import Request

    from liveserver.access.partner_admission import Admission
    from liveserver.domain.liveblog import Liveblog
    from liveserver.http.container import Container
    from liveserver.rendering.widget_renderer import WidgetRenderer

LIMIT_MAX = 100
PARTNER = re.compile(PARTNER_ID_PATTERN)
LOADABLE = {
    # A page that isolates itself (Cross-Origin-Embedder-Policy) loads only what says that it may.
    "Cross-Origin-Resource-Policy": "cross-origin",
}
ANYWHERE = {**LOADABLE, **readable_by(Readers.ANY)}
SCRIPT = "text/javascript; charset=utf-8"
HTML = "text/html; charset=utf-8"
FOR_EVER = "public, max-age=31536000, immutable"
PROVIDER_CACHE = "public, max-age=300"


async def loader(request: Request) -> Response:
    """What a partner's page has a `<script>` for: kept for minutes, and looked after in the background for a day."""
    cache = "public, max-age=300, stale-while-revalidate=86400"
    return _script(request, services(request).embedding.assets.loader, cache)


async def pinned(request: Request) -> Response:
    """The widget in one file, under a name that never means another."""
    assets = services(request).embedding.assets
    if request.path_params["hash"] != assets.pinned_hash:
        raise errors.NotFound("this server has another version of the widget")
    return _script(request, assets.pinned, FOR_EVER)


async def current(request: Request) -> Response:
    """The widget's file for a `v1.js` that names one of an earlier version, as caches may still have it."""
    parts = services(request)
    headers = {**ANYWHERE, "Cache-Control": "no-cache"}
    return RedirectResponse(parts.pages.urls.static(parts.embedding.assets.widget), 302, headers)


async def shell(request: Request) -> Response:
    """The widget without entries, in the language that `lang` names; the same for all whose pages may have it."""
    parts, slug, look = services(request), request.path_params["slug"], _look(request)
    admitted = await parts.partners.admit(slug, look.partner, request.scope["headers"])
    make = partial(_shell, parts, admitted, look.language)
    cached = await cached_answer_for(request, admitted, ("embed-shell", look.language), make)
    return respond(request.scope, cached.representation)


async def _shell(parts: Container, admitted: Admission, language: str | None) -> CachedPage:
    topic = admitted.topic
    if topic.delay:
        liveblog = (await parts.history.snapshot(topic, limit=1)).liveblog
    else:
        liveblog = await parts.store.liveblogs.find(topic.slug)
    body = encoding.dumps(parts.embedding.shell(liveblog, language))
    headers = {**LOADABLE, **readable_by(admitted.readers), "Cache-Control": CROWD_CACHE}
    return _rendition(liveblog, Representation(body, "application/json", headers))


async def page(request: Request) -> Response:
    """The widget for a frame."""
    parts, slug, look = services(request), request.path_params["slug"], _look(request)
    try:
        # Who may frame it, its policy says: what browsers tell of who asks for a frame's page is no origin.
        admitted = await parts.partners.admit(slug, look.partner, ())
        ancestors = await parts.partners.frame_ancestors(slug, look.partner)
        look = _of_partner(look, admitted)
        make = partial(_page, parts, admitted, look, ancestors)
        cached = await cached_answer_for(request, admitted, ("embed", *look.variant, ancestors), make)
    except (errors.NotFound, errors.EmbedRefused) as error:
        # In the frame, where the browser would else show its own complaint.
        liveblog = None if isinstance(error, errors.NotFound) else await _there(request, slug)
        refused(request.scope, error)
        status = 404 if isinstance(error, errors.NotFound) else 403
        html = parts.pages.error_page(status, language=_accepted(request), liveblog=liveblog)
        return Response(html, status, {**_frame_headers(parts), "Cache-Control": "no-store"}, HTML)
    return respond(request.scope, cached.representation)


async def _page(parts: Container, admitted: Admission, look: WidgetOptions, ancestors: str) -> CachedPage:
    view, embedding = await _view(parts, admitted, look.limit)
    headers = _frame_headers(parts, ancestors, look.style)
    if admitted.partner is not None:
        headers["Cache-Control"] = POLL_CACHE

    def make() -> Representation:
        return Representation(embedding.page(view, look).encode(), HTML, headers)

    return _rendition(view.liveblog, await offloaded(make, [*view.pinned, *view.entries]))


async def _there(request: Request, slug: str) -> Liveblog | None:
    """The live blog, for a link to its own page."""
    with suppress(errors.NotFound):
        return await liveblog_of(request.scope, slug)
    return None


async def fragment(request: Request) -> Response:
    """HTML that a partner's CMS puts into a page of its own."""
    parts, slug, look = services(request), request.path_params["slug"], _look(request)
    admitted = await parts.partners.admit(slug, look.partner, request.scope["headers"])
    look = _of_partner(look, admitted)
    make = partial(_fragment, parts, admitted, look)
    cached = await cached_answer_for(request, admitted, ("fragment", *look.variant), make)
    return respond(request.scope, cached.representation)


async def _fragment(parts: Container, admitted: Admission, look: WidgetOptions) -> CachedPage:
    view, embedding = await _view(parts, admitted, look.limit)
    headers = {**LOADABLE, **headers_for(admitted, CROWD_CACHE), **security_headers.FRAGMENT, "X-Robots-Tag": "noindex"}

    def make() -> Representation:
        return Representation(embedding.fragment(view, look).encode(), HTML, headers)

    return _rendition(view.liveblog, await offloaded(make, [*view.pinned, *view.entries]))


async def preview(request: Request) -> Response:
    """A page to try the widget."""
    parts, slug, partner = services(request), request.path_params["slug"], _look(request).partner
    variant, make = ("embed-preview", partner), partial(_preview, parts, slug, partner)
    if partner is None:
        cached = await cached_answer(request, variant, make)
    else:
        # Ids can be made up without end, and few people come for each.
        topic = Topic(slug)
        cached = await parts.store_queue.run((topic, variant), make, requester_of(request.scope, topic))
    return respond(request.scope, cached.representation)


async def _preview(parts: Container, slug: str, partner: str | None) -> CachedPage:
    liveblog = await parts.store.liveblogs.find(slug)
    html = parts.embedding.preview(liveblog, partner)
    return _rendition(liveblog, html_representation(parts.pages, html))


async def oembed(request: Request) -> Response:
    """What a CMS asks when somebody pastes the address of a live blog (https://oembed.com)."""
    parts, query = services(request), request.query_params
    if query.get("format", "json") != "json":
        # 2.3.3: the format that we don't have.
        return Response("only json\n", 501, ANYWHERE, "text/plain")
    if "url" not in query:
        raise errors.InvalidInput([errors.FieldError("?url", "is missing")])
    most = {name: _pixels(query.get(name), name) for name in ("maxwidth", "maxheight")}
    liveblog = await liveblog_of(request.scope, parts.pages.urls.slug_of(query["url"]))
    answer = parts.embedding.oembed(liveblog, max_width=most["maxwidth"], max_height=most["maxheight"])
    readers = (await parts.partners.admit(liveblog.slug, None, request.scope["headers"])).readers
    headers = {**LOADABLE, **readable_by(readers), "Cache-Control": PROVIDER_CACHE}
    return respond(request.scope, Representation(encoding.dumps(answer), "application/json", headers))


def _frame_headers(parts: Container, ancestors: str = "*", style: str = "") -> dict[str, str]:
    return {**security_headers.frame(parts.pages.urls, ancestors, style), "Cache-Control": CROWD_CACHE}


async def _view(parts: Container, admitted: Admission, limit: int) -> tuple[PageView, WidgetRenderer]:
    """The page to show, and a renderer that has its entries prepared."""
    view = PageView.of(await parts.history.snapshot(admitted.topic, limit=limit))
    entries = [*view.pinned, *view.entries]
    prepared_entries = await prepared(parts.pages.entries, view.liveblog, entries, named=view.key_events)
    return view, replace(parts.embedding, pages=replace(parts.pages, entries=prepared_entries))


def _rendition(liveblog: Liveblog, representation: Representation) -> CachedPage:
    return CachedPage(Position(liveblog.epoch, liveblog.seq), representation)


def _script(request: Request, body: bytes, cache: str) -> Response:
    return respond(request.scope, _made(body, cache))


@lru_cache(maxsize=2)
def _made(body: bytes, cache: str) -> Representation:
    """Once for all: to pack the larger of the two takes a millisecond."""
    return Representation(body, SCRIPT, {**ANYWHERE, "Cache-Control": cache})


def _look(request: Request) -> WidgetOptions:
    """What the query wishes; what it wishes in vain is left out, as nobody would read a complaint in a frame."""
    query = request.query_params
    theme, limit = query.get("theme"), query.get("limit", "")
    count = int(limit) if limit.isascii() and limit.isdigit() and len(limit) < 4 else LIMIT
    partner = query.get("partner", "")
    return WidgetOptions(
        theme if theme in THEMES else None,
        min(LIMIT_MAX, max(1, count)),
        _language(request),
        partner if PARTNER.fullmatch(partner) else None,
    )


def _of_partner(look: WidgetOptions, admitted: Admission) -> WidgetOptions:
    """The same with what the newsroom has set for the partner, where the query wishes nothing else."""
    if admitted.partner is None:
        return look
    theme, attribution = admitted.partner.theme, admitted.partner.attribution
    colours = tuple((name, value) for name, value in sorted(theme.items()) if name != "scheme")
    return look._replace(theme=look.theme or theme.get("scheme"), attribution=attribution, colours=colours)


def _language(request: Request) -> str | None:
    """The language of our own texts that the query names, if it is one that we have."""
    return known_language(request.query_params.get("lang"))


def _accepted(request: Request) -> str:
    return "fr" if request.headers.get("accept-language", "").lower().startswith("fr") else "en"


def _pixels(value: str | None, name: str) -> int | None:
    if value is None or value == "":
        return None
    if not (value.isascii() and value.isdigit() and len(value) < 6):
        raise errors.InvalidInput([errors.FieldError(f"?{name}", "must be a whole number of pixels")])
    return int(value)


# Refusals too must be readable from anywhere.
_READABLE = [Middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["GET", "HEAD"])]

EMBED_ROUTES = [
    Route("/oembed", oembed, middleware=_READABLE),
    Route("/embed/v1.js", loader),
    Route(f"/embed/v1-{HASH}.js", pinned),
    Route("/embed/widget.js", current),
    Route(f"/embed/preview/{SLUG}", preview),
    Route(f"/embed/{SLUG}/shell.json", shell, middleware=_READABLE),
    Route(f"/embed/{SLUG}/fragment", fragment, middleware=_READABLE),
    Route(f"/embed/{SLUG}", page),
]
