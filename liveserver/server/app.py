"""The composition root: which parts there are, and which path leads to which."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from importlib import resources
from typing import TYPE_CHECKING, Any

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Mount, Router

from liveserver.access.api_keys import ApiKeys
from liveserver.access.body_budget import json_budget, upload_budget
from liveserver.access.partner_admission import Partners
from liveserver.access.request_limits import RequestLimits
from liveserver.content.media import storage
from liveserver.content.media.library import MediaLibrary
from liveserver.content.media.transcoder_pool import TranscoderPool
from liveserver.domain.errors import Busy, ClientGone, LiveserverError, StoreUnavailable, TooManyRequests
from liveserver.http.api.health import OPERATOR_ROUTES
from liveserver.http.api.openapi.docs import DOCS_ROUTES
from liveserver.http.api.requests import EXPOSED_HEADERS
from liveserver.http.api.routes import API_ROUTES
from liveserver.http.container import Container
from liveserver.http.fair_queue import FairQueue
from liveserver.http.metrics import Metrics
from liveserver.http.middleware.host_check import HostCheck, PublicName
from liveserver.http.middleware.page_limits import PageLimits
from liveserver.http.middleware.request_metrics import RequestMetrics
from liveserver.http.pages.fast_path import FastPath
from liveserver.http.pages.feeds import FEED_ROUTES
from liveserver.http.pages.media_files import FILE_ROUTES
from liveserver.http.pages.reach import REACH_ROUTES
from liveserver.http.pages.reader import (
    INDEX_SIZE,
    PAGE_ROUTES,
    error_page,
    html_representation,
    plain_error_page,
    too_many_page,
)
from liveserver.http.pages.share_cards import CARD_ROUTES
from liveserver.http.pages.sitemaps import SITEMAP_ROUTES
from liveserver.http.pages.widget import EMBED_ROUTES
from liveserver.http.problems import KINDS, crash_problem, handle_error, http_problem
from liveserver.http.rejections import refused
from liveserver.http.responses import security_headers
from liveserver.http.responses.page_cache import DatedCache, IndexCache, PageCache
from liveserver.http.responses.static_files import Assets
from liveserver.http.route_params import nowhere, strict
from liveserver.http.streams import STREAM_ROUTES
from liveserver.newsroom.presenter import Presenter
from liveserver.newsroom.publisher import Publisher
from liveserver.newsroom.reach import Reach
from liveserver.newsroom.scheduler import Scheduler
from liveserver.newsroom.syndication.coordinator import SyndicationCoordinator
from liveserver.newsroom.takedowns import Takedowns
from liveserver.realtime import bus as buses
from liveserver.realtime.history import StoreHistory
from liveserver.realtime.hub import Hub
from liveserver.realtime.pending_confirmations import PendingConfirmations
from liveserver.realtime.topics.derived_topics import DerivedTopics
from liveserver.realtime.topics.topic_bus import TopicBus
from liveserver.rendering.renderer import Renderer
from liveserver.rendering.widget_renderer import WidgetRenderer
from liveserver.store import Store
from liveserver.utils.single_flight import FreshFlight

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

    from liveserver.domain.liveblog import Liveblog
    from liveserver.http.responses.representation import Representation
    from liveserver.settings import Settings

log = structlog.get_logger(__name__)


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Container]:
    """The parts of one process, started; stopped at the end. Raises SettingsError if they can't be."""
    renderer = Renderer(
        public_url=settings.base_url,
        site_name=settings.site_name,
        media_url=settings.media_public_url,
        mastodon_hosts=settings.mastodon_hosts.split(",") if settings.mastodon_hosts else (),
    )
    pictures = storage.connect(settings)
    store = await Store.open(settings.database_url, pool_size=settings.database_pool)
    try:
        confirmations = PendingConfirmations()
        presenter = Presenter(renderer, confirmations)
        history = StoreHistory(store, presenter, confirmations)
        bus = buses.connect(settings.redis_url, prefix=settings.redis_prefix)
        hub = Hub(
            history,
            TopicBus(bus, DerivedTopics(history)),
            heartbeat=settings.heartbeat,
            poll=settings.poll,
            poll_fast=settings.poll_fast,
            lag_timeout=settings.lag_timeout,
            recent_max=settings.recent_changes,
        )
        takedowns = Takedowns(store, hub, bus, confirmations)
        reach = Reach(store, hub, bus)
        publisher = Publisher(store, hub, presenter, takedowns)
        turns, drawing = FairQueue(), FairQueue(at_once=1)
        page_cache = PageCache(hub, history, turns, budget=settings.page_cache)

        async def newest_liveblogs() -> list[Liveblog]:
            return (await store.liveblogs(limit=INDEX_SIZE))[0]

        def index_page(liveblogs: list[Liveblog]) -> Representation:
            return html_representation(renderer, renderer.index_page(liveblogs))

        index = IndexCache(newest_liveblogs, index_page)
        writable = FreshFlight(store.ping)
        library = MediaLibrary(store, pictures, TranscoderPool(max_pixels=settings.media_max_pixels))
        partners = Partners(store, hub, base_url=settings.base_url)
        await hub.start()
        await partners.start()
        scheduling = asyncio.create_task(Scheduler(store, publisher).run(), name="scheduler")
        counting = asyncio.create_task(reach.run(), name="reach")
        syndication = SyndicationCoordinator(store, publisher, library, settings, node=hub.node)
        following = asyncio.create_task(syndication.run(), name="syndication")
        try:
            yield Container(
                settings=settings,
                store=store,
                api_keys=ApiKeys(store),
                bus=bus,
                hub=hub,
                history=history,
                publisher=publisher,
                presenter=presenter,
                renderer=renderer,
                page_cache=page_cache,
                index=index,
                metrics=Metrics(hub, bus, page_cache),
                library=library,
                partners=partners,
                takedowns=takedowns,
                reach=reach,
                embedding=WidgetRenderer(renderer),
                syndication=syndication,
                limits=RequestLimits(settings),
                bodies=json_budget(settings.max_body_size),
                uploads=upload_budget(settings.media_max_size),
                turns=turns,
                writable=writable,
                drawing=drawing,
                dated=DatedCache(turns),
            )
        finally:
            for task in (scheduling, counting, following):
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            await syndication.close()
            await partners.close()
            await reach.flush()
            await turns.close()
            await drawing.close()
            await page_cache.close()
            await index.close()
            await asyncio.gather(*writable.cancel(), return_exceptions=True)
            await library.close()
            await takedowns.close()
            await hub.close()
    finally:
        await store.close()


def create_app(settings: Settings) -> Starlette:
    """The ASGI application. Its parts are in `app.state.services` while it runs."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[dict[str, Any]]:
        async with running(settings) as parts:
            app.state.services = parts
            yield {"services": parts}

    readers_anywhere = Middleware(
        CORSMiddleware,
        allow_origins=["*"],
        allow_methods=["GET", "HEAD"],
        allow_headers=["If-None-Match", "Last-Event-ID"],
        expose_headers=EXPOSED_HEADERS,
        max_age=86_400,
    )
    # A redirect to the path without its last slash would go to whatever the Host header says.
    api = Router([*STREAM_ROUTES, *API_ROUTES], redirect_slashes=False, default=nowhere)
    app = Starlette(
        routes=[
            Mount("/api/v1", api, middleware=[readers_anywhere]),
            *OPERATOR_ROUTES,
            *DOCS_ROUTES,
            *FILE_ROUTES,
            Mount("/static", Assets(resources.files("liveserver.rendering") / "static")),
            *PAGE_ROUTES,
            *FEED_ROUTES,
            *CARD_ROUTES,
            *SITEMAP_ROUTES,
            *REACH_ROUTES,
            *EMBED_ROUTES,
        ],
        middleware=[
            Middleware(
                RequestMetrics,
                headers=security_headers.everywhere(settings),
                ended=_ended,
                look=PublicName(settings).look,
            ),
            *([Middleware(HostCheck, allowed=settings.hosts)] if settings.hosts else []),
            Middleware(FastPath),
            Middleware(PageLimits, refuse=_our_error),
        ],
        exception_handlers={
            LiveserverError: _our_error,
            HTTPException: _http_error,
            ClientDisconnect: _left,
            Exception: _crash,
        },
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.router.default = nowhere
    strict(app.routes)
    return app


def _for_people(request: Request) -> bool:
    path = request.url.path
    if path == "/" or path.startswith("/live/"):
        return True
    return not path.startswith("/api/") and "text/html" in request.headers.get("accept", "")


async def _our_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, LiveserverError)
    if isinstance(error, ClientGone):
        return _to_nobody()
    error = refused(request.scope, error)
    if _for_people(request):
        if isinstance(error, TooManyRequests):
            # Without a look at the database: to refuse must cost less than to serve.
            return too_many_page(request, error)
        if isinstance(error, Busy):
            return plain_error_page(request, 503)
        kind = next(KINDS[cls] for cls in type(error).__mro__ if cls in KINDS)
        return await error_page(request, kind.status)
    return await handle_error(request, error)


async def _ended(request: Request) -> Response:
    if _for_people(request):
        return plain_error_page(request, 503)
    return await handle_error(request, StoreUnavailable("the server ends before the database has answered"))


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404 and _for_people(request):
        return await error_page(request, 404)
    return http_problem(request, error)


async def _left(_request: Request, _error: Exception) -> Response:
    return _to_nobody()


def _to_nobody() -> Response:
    """The client went before its request was complete, or answered: nobody reads this, and there is nothing to log."""
    return Response(status_code=400)


async def _crash(request: Request, error: Exception) -> Response:
    log.error("request.failed", path=request.url.path, exc_info=error)
    if _for_people(request):
        return plain_error_page(request, 500)
    return crash_problem(request)
