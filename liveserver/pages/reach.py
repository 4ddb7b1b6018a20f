"""`/reach/{slug}`: who reads a live blog, drawn. For who has a link (`security/links.py`)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse
from starlette.routing import Route

from liveserver import curves, policies
from liveserver.asking import asker_of
from liveserver.errors import Forbidden, TooManyRequests, Unauthorized
from liveserver.paths import SLUG
from liveserver.refusing import refused, waiting
from liveserver.security import links
from liveserver.services import services
from liveserver.topic import Topic

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from liveserver.services import Services

HEADERS = {
    "Cache-Control": "private, no-store",
    **policies.REACH,
    "X-Robots-Tag": "noindex",
}


async def page(request: Request) -> Response:
    """The last thirty days, by partner."""
    parts = services(request)
    slug = request.path_params["slug"]
    try:
        link = request.query_params.get("link", "")
        html = await parts.turns.made(
            ("reach", slug, link), partial(_page, parts, slug, link), asker_of(request.scope, Topic(slug))
        )
    except (Unauthorized, Forbidden) as error:
        answer = refused(request.scope, error)
        if isinstance(answer, TooManyRequests):
            return HTMLResponse(curves.refusal(str(answer)), 429, {**HEADERS, **waiting(answer)})
        return HTMLResponse(curves.refusal(str(answer)), 403, HEADERS)
    return HTMLResponse(html, headers=HEADERS)


async def _page(parts: Services, slug: str, link: str) -> str:
    await links.check(parts.store, slug, link)
    return curves.page(await parts.reach.report(slug))


REACH_ROUTES = [Route(f"/reach/{SLUG}", page)]
