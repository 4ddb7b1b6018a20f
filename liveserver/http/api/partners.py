"""The API's `/partners`; and `/liveblogs/{slug}/embed`, which tells a widget whether it may show the live blog."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response

from liveserver.domain.errors import EmbedRefused
from liveserver.domain.inputs.models import PartnerInput, PartnerPatch
from liveserver.domain.people.rights import Verb
from liveserver.http.api.openapi import schemas
from liveserver.http.api.openapi.operation import WRITING, Operation
from liveserver.http.api.requests.answers import answer, page_headers
from liveserver.http.api.requests.authorisation import api_root, authorised, signed_in
from liveserver.http.api.requests.preconditions import version_of
from liveserver.http.api.requests.queries import PageQuery, PartnerQuery, query_of
from liveserver.http.api.requests.request_body import body_of
from liveserver.http.container import services
from liveserver.http.requesters import is_at_desk, liveblog_of
from liveserver.http.responses.entity_tags import version_tag
from liveserver.http.route_params import PARTNER_ID, SLUG
from liveserver.protocol import json_encoding, resources

if TYPE_CHECKING:
    from starlette.requests import Request

    from liveserver.access.actors import Actor
    from liveserver.domain.partner import Partner


async def _actor(request: Request) -> Actor:
    """Return the actor of a request: a key to which `Verb.PARTNERS` is allowed, or any user who is signed in.

    The store checks the user's rights later. A user to whom the verb isn't allowed may see and change only a partner
    that is limited to live blogs that the user may manage. For a request to `/api/v1` without such a key,
    raises as `authorised` does.
    """
    return signed_in(request) if is_at_desk(request) else await authorised(request, Verb.PARTNERS)


async def create(request: Request) -> Response:
    """Create a partner, and answer with it."""
    actor = await _actor(request)
    parts = services(request)
    partner = await parts.partner_directory.create(await body_of(request, PartnerInput, actor), actor.principal)
    location = f"{api_root(request)}/partners/{partner.id}"
    return _partner_answer(request, partner, status=201, headers={"Location": location})


async def listing(request: Request) -> Response:
    """Answer with a page of the partners, newest first."""
    actor = await _actor(request)
    query = query_of(request, PageQuery)
    partners, next_cursor = await services(request).store.partners.page_for(
        actor.principal, limit=query.limit, cursor=query.cursor
    )
    content = {"items": [resources.partner_object(partner) for partner in partners], "next_cursor": next_cursor}
    return answer(request, content, public=False, headers=page_headers(request, query, next_cursor))


async def read(request: Request) -> Response:
    """Answer with one partner."""
    actor = await _actor(request)
    partner = await services(request).store.partners.find_for(request.path_params["id"], actor.principal)
    return _partner_answer(request, partner)


async def edit(request: Request) -> Response:
    """Change a partner's rules, or switch the partner off, and answer with the partner's new state."""
    actor = await _actor(request)
    version = version_of(request, required=True)
    patch = await body_of(request, PartnerPatch, actor)
    return _partner_answer(
        request,
        await services(request).partner_directory.edit(
            request.path_params["id"], patch, actor.principal, version=version
        ),
    )


async def delete(request: Request) -> Response:
    """Delete a partner permanently."""
    actor = await _actor(request)
    version = version_of(request, required=False)
    await services(request).partner_directory.delete(request.path_params["id"], actor.principal, version=version)
    return Response(status_code=204)


async def embed(request: Request) -> Response:
    """Answer, to a page of another site, whether the page may show the live blog.

    The answer also has the partner's theme and attribution, and the address of the live blog's own page. A widget that
    may not show the live blog links to this address.
    """
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
    # The answer depends on the request's origin, and on the partner's rules at this moment.
    return Response(json_encoding.dumps(content), headers={"Cache-Control": "no-store"}, media_type="application/json")


def _partner_answer(
    request: Request, partner: Partner, *, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    etag = version_tag(partner.entity_version)
    return answer(request, resources.partner_object(partner), status=status, etag=etag, public=False, headers=headers)


OPERATIONS = (
    Operation(
        method="GET",
        path=f"/liveblogs/{SLUG}/embed",
        endpoint=embed,
        tag="Partners",
        summary="Whether a page may show a live blog",
        answers={200: ("What a widget is told that wasn’t let in", schemas.EmbedObject)},
        problems=(404, 422, 503),
        description="Judged by the request’s `Origin`, if a browser sends one.",
        query=PartnerQuery,
    ),
    Operation(
        method="POST",
        path="/partners",
        endpoint=create,
        tag="Partners",
        summary="Add a partner",
        answers={201: ("Its readers may come; `Location` names it", schemas.PartnerObject)},
        problems=(*WRITING, 409),
        description="Its readers read with `?partner=ID`: `snapshot`, `entries`, `changes` and both streams.",
        verb=Verb.PARTNERS,
        body=PartnerInput,
        example={
            "name": "Le Phare",
            "origins": ["https://www.exemple.fr", "https://*.exemple.fr"],
            "tags": ["côte"],
            "delay": 30,
            "attribution": {"text": "Avec La rédaction", "url": "https://live.exemple.org/"},
        },
    ),
    Operation(
        method="GET",
        path="/partners",
        endpoint=listing,
        tag="Partners",
        summary="List partners, newest first",
        answers={200: ("A page; `Link` names the next", schemas.PartnerList)},
        problems=(401, 403, 422, 503),
        verb=Verb.PARTNERS,
        query=PageQuery,
        headers=("If-None-Match",),
    ),
    Operation(
        method="GET",
        path=f"/partners/{PARTNER_ID}",
        endpoint=read,
        tag="Partners",
        summary="Read a partner",
        answers={200: ("The partner; `ETag` is its version", schemas.PartnerObject)},
        problems=(401, 403, 404, 503),
        verb=Verb.PARTNERS,
        headers=("If-None-Match",),
    ),
    Operation(
        method="PATCH",
        path=f"/partners/{PARTNER_ID}",
        endpoint=edit,
        tag="Partners",
        summary="Change a partner’s rules, or switch it off",
        answers={200: ("As it is now", schemas.PartnerObject)},
        problems=(*WRITING, 404, 412, 428),
        description='`{"enabled": false}` closes its viewers within seconds, on every node (4503).',
        verb=Verb.PARTNERS,
        body=PartnerPatch,
        example={"enabled": False},
        headers=("If-Match",),
    ),
    Operation(
        method="DELETE",
        path=f"/partners/{PARTNER_ID}",
        endpoint=delete,
        tag="Partners",
        summary="Remove a partner",
        answers={204: ("Its viewers are closed within seconds", None)},
        problems=(401, 403, 404, 412, 422, 503),
        verb=Verb.PARTNERS,
        headers=("If-Match",),
    ),
)
