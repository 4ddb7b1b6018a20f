"""The endpoints of the widget: its scripts, the page for frames, HTML for other pages, the preview, and `/oembed`."""

from __future__ import annotations

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
from liveserver.domain.ids import PARTNER_ID
from liveserver.domain.topic import Topic
from liveserver.http.cached_answers import cached_answer, cached_answer_for, headers_for
from liveserver.http.container import services
from liveserver.http.pages.reader import accepted_language, html_representation
from liveserver.http.rejections import refused
from liveserver.http.requesters import liveblog_of, requester_of
from liveserver.http.responses import security_headers
from liveserver.http.responses.page_cache import CachedPage
from liveserver.http.responses.prebuilt import CROWD_CACHE, POLL_CACHE, readable_by, respond
from liveserver.http.responses.representation import Representation
from liveserver.http.route_params import HASH, SLUG
from liveserver.protocol import json_encoding
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
"""The greatest number of entries that a widget shows at first, besides the pinned entries."""
LOADABLE = {
    # A page that isolates itself (Cross-Origin-Embedder-Policy) loads only files with this header.
    "Cross-Origin-Resource-Policy": "cross-origin",
}
ANYWHERE = {**LOADABLE, **readable_by(Readers.ANY)}
SCRIPT = "text/javascript; charset=utf-8"
HTML = "text/html; charset=utf-8"
FOR_EVER = "public, max-age=31536000, immutable"
PROVIDER_CACHE = "public, max-age=300"


async def loader(request: Request) -> Response:
    """Answer with `/embed/v1.js`, the script that partners' pages load.

    Caches may keep the script for five minutes. For a day after that, a cache may still send the script while it asks
    for a new one.
    """
    cache = "public, max-age=300, stale-while-revalidate=86400"
    return _script(request, services(request).widgets.assets.loader, cache)


async def pinned(request: Request) -> Response:
    """Answer with the script that has the whole widget in one file. The script's address has the hash of its content.

    Raises NotFound if the hash in the path isn't the hash of this server's script.
    """
    assets = services(request).widgets.assets
    if request.path_params["hash"] != assets.pinned_hash:
        raise errors.NotFound("this server has another version of the widget")
    return _script(request, assets.pinned, FOR_EVER)


async def current(request: Request) -> Response:
    """Redirect to the current file of the widget.

    Some caches still have a `v1.js` of an earlier version, which loads the widget from this path.
    """
    parts = services(request)
    headers = {**ANYWHERE, "Cache-Control": "no-cache"}
    return RedirectResponse(parts.pages.urls.static(parts.widgets.assets.widget), 302, headers)


async def shell(request: Request) -> Response:
    """Answer with JSON that has the widget's HTML without entries, and texts for the widget's script.

    The widget's own texts are in the language that the query's `lang` names. If we have no texts in it, or if there is
    no `lang`, they are in the live blog's language.
    """
    parts, slug, options = services(request), request.path_params["slug"], _options(request)
    admitted = await parts.partners.admit(slug, options.partner, request.scope["headers"])
    make = partial(_shell, parts, admitted, options.language)
    cached = await cached_answer_for(request, admitted, ("embed-shell", options.language), make)
    return respond(request.scope, cached.representation)


async def _shell(parts: Container, admitted: Admission, language: str | None) -> CachedPage:
    topic = admitted.topic
    if topic.delay:
        liveblog = (await parts.history.snapshot(topic, limit=1)).liveblog
    else:
        liveblog = await parts.store.liveblogs.find(topic.slug)
    body = json_encoding.dumps(parts.widgets.shell(liveblog, language))
    headers = {**LOADABLE, **readable_by(admitted.readers), "Cache-Control": CROWD_CACHE}
    return CachedPage.of(liveblog, Representation(body, "application/json", headers))


async def page(request: Request) -> Response:
    """Answer with the page that shows the widget in a frame.

    If the live blog doesn't exist, or may not be shown in the frame, answer with an error page.
    """
    parts, slug, options = services(request), request.path_params["slug"], _options(request)
    try:
        # The request's headers aren't passed on: browsers send no Origin when they ask for the page of a frame.
        # Instead, `frame-ancestors` tells the browser which sites may frame the page.
        admitted = await parts.partners.admit(slug, options.partner, ())
        ancestors = await parts.partners.frame_ancestors(slug, options.partner)
        options = _with_partner_defaults(options, admitted)
        make = partial(_page, parts, admitted, options, ancestors)
        cached = await cached_answer_for(request, admitted, ("embed", *options.variant, ancestors), make)
    except (errors.NotFound, errors.EmbedRefused) as error:
        # The error is answered with a page, as the browser would otherwise show its own error in the frame.
        liveblog = None if isinstance(error, errors.NotFound) else await _find_liveblog(request, slug)
        refused(request.scope, error)
        status = 404 if isinstance(error, errors.NotFound) else 403
        html = parts.pages.error_page(status, language=accepted_language(request), liveblog=liveblog)
        return Response(html, status, {**_frame_headers(parts), "Cache-Control": "no-store"}, HTML)
    return respond(request.scope, cached.representation)


async def _page(parts: Container, admitted: Admission, options: WidgetOptions, ancestors: str) -> CachedPage:
    view, widgets = await _view(parts, admitted, options.limit)
    headers = _frame_headers(parts, ancestors, options.style)
    if admitted.partner is not None:
        headers["Cache-Control"] = POLL_CACHE

    def make() -> Representation:
        return Representation(widgets.page(view, options).encode(), HTML, headers)

    return CachedPage.of(view.liveblog, await offloaded(make, [*view.pinned, *view.entries]))


async def _find_liveblog(request: Request, slug: str) -> Liveblog | None:
    """Return the live blog to which the error page of a frame links; None if no live blog has this slug."""
    with suppress(errors.NotFound):
        return await liveblog_of(request.scope, slug)
    return None


async def fragment(request: Request) -> Response:
    """Answer with the fragment: HTML with the current entries, which a partner's CMS puts into its own page."""
    parts, slug, options = services(request), request.path_params["slug"], _options(request)
    admitted = await parts.partners.admit(slug, options.partner, request.scope["headers"])
    options = _with_partner_defaults(options, admitted)
    make = partial(_fragment, parts, admitted, options)
    cached = await cached_answer_for(request, admitted, ("fragment", *options.variant), make)
    return respond(request.scope, cached.representation)


async def _fragment(parts: Container, admitted: Admission, options: WidgetOptions) -> CachedPage:
    view, widgets = await _view(parts, admitted, options.limit)
    headers = {**LOADABLE, **headers_for(admitted, CROWD_CACHE), **security_headers.FRAGMENT, "X-Robots-Tag": "noindex"}

    def make() -> Representation:
        return Representation(widgets.fragment(view, options).encode(), HTML, headers)

    return CachedPage.of(view.liveblog, await offloaded(make, [*view.pinned, *view.entries]))


async def preview(request: Request) -> Response:
    """Answer with a page on which people try the widget and its options, and copy the lines that embed it."""
    parts, slug, partner = services(request), request.path_params["slug"], _options(request).partner
    variant, make = ("embed-preview", partner), partial(_preview, parts, slug, partner)
    if partner is None:
        cached = await cached_answer(request, variant, make)
    else:
        # The page isn't kept: a client can invent any number of ids, and few people ask for the page of each partner.
        topic = Topic(slug)
        cached = await parts.store_queue.run((topic, variant), make, requester_of(request.scope, topic))
    return respond(request.scope, cached.representation)


async def _preview(parts: Container, slug: str, partner: str | None) -> CachedPage:
    liveblog = await parts.store.liveblogs.find(slug)
    html = parts.widgets.preview(liveblog, partner)
    return CachedPage.of(liveblog, html_representation(parts.pages, html))


async def oembed(request: Request) -> Response:
    """Answer with the oEmbed JSON about an address. A CMS asks for it when somebody pastes a live blog's address.

    Raises InvalidInput if the query has no address, or a size that isn't valid. Raises NotFound if the address isn't
    the address of a live blog. Raises EmbedRefused if the live blog's embed policy doesn't admit the request's origin.
    See https://oembed.com.
    """
    parts, query = services(request), request.query_params
    if query.get("format", "json") != "json":
        # The specification asks for a 501 if the format isn't supported (2.3.3).
        return Response("only json\n", 501, ANYWHERE, "text/plain")
    if "url" not in query:
        raise errors.InvalidInput([errors.FieldError("?url", "is missing")])
    limits = {name: _pixels(query.get(name), name) for name in ("maxwidth", "maxheight")}
    liveblog = await liveblog_of(request.scope, parts.pages.urls.slug_of(query["url"]))
    answer = parts.widgets.oembed(liveblog, max_width=limits["maxwidth"], max_height=limits["maxheight"])
    readers = (await parts.partners.admit(liveblog.slug, None, request.scope["headers"])).readers
    headers = {**LOADABLE, **readable_by(readers), "Cache-Control": PROVIDER_CACHE}
    return respond(request.scope, Representation(json_encoding.dumps(answer), "application/json", headers))


def _frame_headers(parts: Container, ancestors: str = "*", style: str = "") -> dict[str, str]:
    return {**security_headers.frame(parts.pages.urls, ancestors, style), "Cache-Control": CROWD_CACHE}


async def _view(parts: Container, admitted: Admission, limit: int) -> tuple[PageView, WidgetRenderer]:
    """Return the entries that a widget shows, and a renderer that has the HTML of these entries ready.

    `limit`: the greatest number of entries besides the pinned entries.
    """
    view = PageView.of(await parts.history.snapshot(admitted.topic, limit=limit))
    entries = [*view.pinned, *view.entries]
    prepared_entries = await prepared(parts.pages.entries, view.liveblog, entries, named=view.key_events)
    return view, replace(parts.widgets, pages=replace(parts.pages, entries=prepared_entries))


def _script(request: Request, body: bytes, cache: str) -> Response:
    return respond(request.scope, _script_representation(body, cache))


@lru_cache(maxsize=2)
def _script_representation(body: bytes, cache: str) -> Representation:
    """Return one of the widget's scripts as a representation. `body`: the script. `cache`: its Cache-Control.

    The representation is kept for later calls, as gzipping the larger script takes a millisecond.
    """
    return Representation(body, SCRIPT, {**ANYWHERE, "Cache-Control": cache})


def _options(request: Request) -> WidgetOptions:
    """Return the options that the query names. Invalid values are ignored, as nobody would read an error in a frame."""
    query = request.query_params
    theme, limit = query.get("theme"), query.get("limit", "")
    count = int(limit) if limit.isascii() and limit.isdigit() and len(limit) < 4 else LIMIT
    partner = query.get("partner", "")
    return WidgetOptions(
        theme if theme in THEMES else None,
        min(LIMIT_MAX, max(1, count)),
        _language(request),
        partner if PARTNER_ID.fullmatch(partner) else None,
    )


def _with_partner_defaults(options: WidgetOptions, admitted: Admission) -> WidgetOptions:
    """Return the options with the partner's colours and attribution. If the query names no theme, add the partner's.

    Returns `options` itself if the request names no partner.
    """
    if admitted.partner is None:
        return options
    theme, attribution = admitted.partner.theme, admitted.partner.attribution
    colours = tuple((name, value) for name, value in sorted(theme.items()) if name != "scheme")
    return options._replace(theme=options.theme or theme.get("scheme"), attribution=attribution, colours=colours)


def _language(request: Request) -> str | None:
    """Return the language that the query names; None if it names no language, or one in which we have no texts."""
    return known_language(request.query_params.get("lang"))


def _pixels(value: str | None, name: str) -> int | None:
    if value is None or value == "":
        return None
    if not (value.isascii() and value.isdigit() and len(value) < 6):
        raise errors.InvalidInput([errors.FieldError(f"?{name}", "must be a whole number of pixels")])
    return int(value)


# Adds the headers that let scripts of any site read an answer: they must be able to read refusals, too.
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
