"""`/api/v1/partners`, and what a page on another site asks before it shows a live blog."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response

from liveserver.domain.errors import EmbedRefused
from liveserver.domain.inputs.bodies import PartnerInput, PartnerPatch
from liveserver.http.api.requests import (
    PageQuery,
    PartnerQuery,
    answer,
    authorised,
    body_of,
    page_headers,
    query_of,
    version_of,
)
from liveserver.http.container import services
from liveserver.http.requesters import liveblog_of
from liveserver.http.responses.entity_tags import edition_tag
from liveserver.protocol import encoding, resources

if TYPE_CHECKING:
    from starlette.requests import Request

    from liveserver.domain.partner import Partner


async def create(request: Request) -> Response:
    """Take a partner in."""
    actor = await authorised(request, "manage")
    parts = services(request)
    partner = await parts.partners.create(await body_of(request, PartnerInput, actor))
    location = f"{parts.settings.base_url}/api/v1/partners/{partner.id}"
    return _one(request, partner, status=201, headers={"Location": location})


async def listing(request: Request) -> Response:
    """The partners, newest first."""
    await authorised(request, "manage")
    query = query_of(request, PageQuery)
    found, next_cursor = await services(request).store.partner_page(limit=query.limit, cursor=query.cursor)
    content = {"items": [resources.partner_object(partner) for partner in found], "next_cursor": next_cursor}
    return answer(request, content, public=False, headers=page_headers(request, query, next_cursor))


async def read(request: Request) -> Response:
    """One partner."""
    await authorised(request, "manage")
    return _one(request, await services(request).store.partner(request.path_params["id"]))


async def edit(request: Request) -> Response:
    """Change a partner's rules, or switch it off."""
    actor = await authorised(request, "manage")
    version = version_of(request, required=True)
    patch = await body_of(request, PartnerPatch, actor)
    return _one(request, await services(request).partners.edit(request.path_params["id"], patch, version=version))


async def delete(request: Request) -> Response:
    """Remove a partner, for good."""
    await authorised(request, "manage")
    version = version_of(request, required=False)
    await services(request).partners.delete(request.path_params["id"], version=version)
    return Response(status_code=204)


async def embed(request: Request) -> Response:
    """Whether the page that asks may show the live blog, and what it shows instead."""
    query = query_of(request, PartnerQuery)
    parts, slug = services(request), request.path_params["slug"]
    liveblog = await liveblog_of(request.scope, slug)
    reason = None
    try:
        partner = (await parts.partners.admit(slug, query.partner, request.scope["headers"])).partner
    except EmbedRefused as error:
        reason, partner = error.reason, parts.partners.known(query.partner)
    content = {
        "allowed": reason is None,
        "reason": reason,
        "theme": partner.theme if partner else {},
        "attribution": resources.attribution_object(partner.attribution) if partner else None,
        "fallback_url": parts.pages.urls.liveblog(liveblog.slug),
    }
    # It differs by origin, and by the moment.
    return Response(encoding.dumps(content), headers={"Cache-Control": "no-store"}, media_type="application/json")


def _one(request: Request, partner: Partner, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    etag = edition_tag(partner.edition)
    return answer(request, resources.partner_object(partner), status=status, etag=etag, public=False, headers=headers)
