"""The page of a live blog's reach, `/reach/{slug}`, for everybody that has a signed link (`access/signed_links.py`)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse
from starlette.routing import Route

from liveserver.access import signed_links
from liveserver.domain.errors import Forbidden, TooManyRequests, Unauthorized
from liveserver.domain.topic import Topic
from liveserver.http.container import services
from liveserver.http.rejections import refused, slow_down, waiting
from liveserver.http.requesters import requester_of
from liveserver.http.responses import security_headers
from liveserver.http.route_params import SLUG
from liveserver.rendering import reach_page

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from liveserver.http.container import Container

HEADERS = {
    "Cache-Control": "private, no-store",
    **security_headers.REACH,
    "X-Robots-Tag": "noindex",
}


async def page(request: Request) -> Response:
    """Answer with the page of a live blog's reach in the last thirty days, by partner.

    If the request's link isn't valid, answer with a page that says so. Its status is 403, or 429 if the address has
    sent too many invalid links.
    """
    parts = services(request)
    slug = request.path_params["slug"]
    try:
        link = request.query_params.get("link", "")
        html = await parts.store_queue.run(
            ("reach", slug, link), partial(_page, parts, slug, link), requester_of(request.scope, Topic(slug))
        )
    except (Unauthorized, Forbidden) as error:
        answer = refused(request.scope, error)
        if isinstance(answer, TooManyRequests):
            slow_down(request.scope)
            return HTMLResponse(reach_page.refusal(str(answer)), 429, {**HEADERS, **waiting(answer)})
        return HTMLResponse(reach_page.refusal(str(answer)), 403, HEADERS)
    return HTMLResponse(html, headers=HEADERS)


async def _page(parts: Container, slug: str, link: str) -> str:
    await signed_links.check(parts.store, slug, link)
    return reach_page.page(await parts.reach.report(slug))


REACH_ROUTES = [Route(f"/reach/{SLUG}", page)]
