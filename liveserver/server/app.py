"""The application: its routes, its middleware, and its error handlers."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.routing import Mount, Router

from liveserver.domain.errors import LiveserverError
from liveserver.http.api.health import OPERATOR_ROUTES
from liveserver.http.api.openapi.docs import DOCS_ROUTES
from liveserver.http.api.routes import API_ROUTES
from liveserver.http.cached_answers import EXPOSED_HEADERS
from liveserver.http.desk.api_routes import DESK_API_ROUTES
from liveserver.http.desk.pages.routes import DESK_PAGE_ROUTES
from liveserver.http.desk.passkey_routes import PASSKEY_ROUTES
from liveserver.http.desk.provider_routes import PROVIDER_ROUTES
from liveserver.http.desk.stream import DESK_STREAM_ROUTES
from liveserver.http.middleware.host_check import HostCheck, PublicName
from liveserver.http.middleware.page_limits import PageLimits
from liveserver.http.middleware.request_metrics import RequestMetrics
from liveserver.http.pages.fast_path import FastPath
from liveserver.http.pages.feeds import FEED_ROUTES
from liveserver.http.pages.media_files import FILE_ROUTES
from liveserver.http.pages.reach import REACH_ROUTES
from liveserver.http.pages.reader import (
    PAGE_ROUTES,
)
from liveserver.http.pages.share_cards import CARD_ROUTES
from liveserver.http.pages.sitemaps import SITEMAP_ROUTES
from liveserver.http.pages.widget import EMBED_ROUTES
from liveserver.http.responses import security_headers
from liveserver.http.responses.static_files import StaticFiles, files_below
from liveserver.http.route_params import nowhere, strict
from liveserver.http.streams import STREAM_ROUTES
from liveserver.server.error_responses import crash, ended, http_error, left, our_error
from liveserver.server.lifespan import running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from liveserver.http.responses.representation import Representation
    from liveserver.settings import Settings


@cache
def _front_end() -> dict[str, Representation]:
    """Return the files of the built front end, by path. A process reads them only once."""
    return files_below(resources.files("liveserver.rendering") / "static")


def create_app(settings: Settings) -> Starlette:
    """Return the ASGI application. While it runs, `app.state.services` has the parts of the process (a `Container`)."""

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
    # Paths with a superfluous slash aren't redirected: such a redirect would go to the host that the Host header names.
    api = Router([*STREAM_ROUTES, *API_ROUTES], redirect_slashes=False, default=nowhere)
    desk_api = Router([*DESK_STREAM_ROUTES, *DESK_API_ROUTES], redirect_slashes=False, default=nowhere)
    app = Starlette(
        routes=[
            Mount("/api/v1", api, middleware=[readers_anywhere]),
            Mount("/desk/api/v1", desk_api),
            *PASSKEY_ROUTES,
            *PROVIDER_ROUTES,
            *DESK_PAGE_ROUTES,
            *OPERATOR_ROUTES,
            *DOCS_ROUTES,
            *FILE_ROUTES,
            Mount("/static", StaticFiles(_front_end())),
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
                ended=ended,
                observe=PublicName(settings).observe,
            ),
            *([Middleware(HostCheck, allowed=settings.hosts)] if settings.hosts else []),
            Middleware(FastPath),
            Middleware(PageLimits, refuse=our_error),
        ],
        exception_handlers={
            LiveserverError: our_error,
            HTTPException: http_error,
            ClientDisconnect: left,
            Exception: crash,
        },
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.router.default = nowhere
    strict(app.routes)
    return app
