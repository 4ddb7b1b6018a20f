"""The API's live blogs: `/api/v1/liveblogs`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from liveserver.access.people.sign_in import check_confirmed
from liveserver.domain.inputs.models import LiveblogInput, LiveblogPatch
from liveserver.domain.people.rights import Verb
from liveserver.http.api.openapi import schemas
from liveserver.http.api.openapi.operation import WRITING, Operation
from liveserver.http.api.requests.answers import answer, page_headers
from liveserver.http.api.requests.authorisation import api_root, authorised, desk_actor_of
from liveserver.http.api.requests.preconditions import version_of
from liveserver.http.api.requests.queries import PageQuery, query_of
from liveserver.http.api.requests.request_body import body_of
from liveserver.http.cached_answers import admitted_alone
from liveserver.http.container import services
from liveserver.http.requesters import is_at_desk, liveblog_of, requester_of
from liveserver.http.responses.entity_tags import version_tag
from liveserver.http.route_params import SLUG

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from liveserver.domain.liveblog import Liveblog


async def create(request: Request) -> Response:
    """Create a live blog, and answer with it."""
    actor = await authorised(request, Verb.OPEN)
    body = await body_of(request, LiveblogInput, actor)
    parts = services(request)
    liveblog = await parts.publisher.create_liveblog(body, actor.principal)
    if "embedding" in body.model_fields_set:
        await parts.partners.changed()
    location = f"{api_root(request)}/liveblogs/{liveblog.slug}"
    return _liveblog_answer(request, liveblog, status=201, headers={"Location": location})


async def listing(request: Request) -> Response:
    """Answer with a page of the live blogs, newest first.

    For a script on another site's page, the live blogs that this site may not show are left out.
    """
    query = query_of(request, PageQuery)
    parts = services(request)
    key, read = ("liveblogs", query.limit, query.cursor), partial(parts.store.liveblogs.page, **query.model_dump())
    liveblogs, next_cursor = await parts.store_queue.run(key, read, requester_of(request.scope, "liveblogs"))
    shown = await parts.partners.shown((liveblog.slug for liveblog in liveblogs), request.scope["headers"])
    items = [parts.presenter.liveblog(liveblog) for liveblog in liveblogs if liveblog.slug in shown]
    content = {"items": items, "next_cursor": next_cursor}
    return answer(request, content, headers={"Vary": "Origin", **page_headers(request, query, next_cursor)})


async def read(request: Request) -> Response:
    """Answer with one live blog's own fields."""
    headers = await admitted_alone(request)
    return _liveblog_answer(request, await liveblog_of(request.scope, request.path_params["slug"]), headers=headers)


async def edit(request: Request) -> Response:
    """Change a live blog's own fields, and answer with its new state.

    Raises NotConfirmed if a rule that asks for two persons is taken away, and the owner's last proof of identity is
    older than `CONFIRMED_FOR`.
    """
    actor = await authorised(request, Verb.MANAGE)
    version = version_of(request, required=True)
    patch = await body_of(request, LiveblogPatch, actor)
    parts = services(request)
    liveblog = await parts.publisher.edit_liveblog(
        request.path_params["slug"],
        patch,
        actor.principal,
        version=version,
        check_loosening=partial(check_confirmed, desk_actor_of(request)) if is_at_desk(request) else None,
    )
    if "embedding" in patch.model_fields_set:
        await parts.partners.changed()
    return _liveblog_answer(request, liveblog)


def _liveblog_answer(
    request: Request, liveblog: Liveblog, *, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    content = services(request).presenter.liveblog(liveblog)
    if is_at_desk(request):
        content["two_persons"] = liveblog.two_persons
    return answer(request, content, status=status, etag=version_tag(liveblog.entity_version), headers=headers)


OPERATIONS = (
    Operation(
        method="POST",
        path="/liveblogs",
        endpoint=create,
        tag="Live blogs",
        summary="Open a live blog",
        answers={201: ("Opened; `Location` names it", schemas.LiveblogObject)},
        problems=(*WRITING, 409),
        verb=Verb.OPEN,
        body=LiveblogInput,
        example={
            "slug": "grandes-marees",
            "title": "Grandes marées : suivez la journée en direct",
            "summary": "Coefficient 115 sur toute la côte.",
            "language": "fr",
            "timezone": "Europe/Paris",
        },
    ),
    Operation(
        method="GET",
        path="/liveblogs",
        endpoint=listing,
        tag="Live blogs",
        summary="List live blogs, newest first",
        answers={200: ("A page; `Link` names the next", schemas.LiveblogList)},
        problems=(422, 503),
        description="Those that anybody may show; what is embedded on some sites only isn’t among them.",
        query=PageQuery,
        headers=("If-None-Match",),
    ),
    Operation(
        method="GET",
        path=f"/liveblogs/{SLUG}",
        endpoint=read,
        tag="Live blogs",
        summary="Read a live blog",
        answers={200: ("The live blog; `ETag` is its version", schemas.LiveblogObject)},
        problems=(403, 404, 503),
        description="Its own fields, without its entries: `snapshot` and `entries` have those.",
        headers=("If-None-Match",),
    ),
    Operation(
        method="PATCH",
        path=f"/liveblogs/{SLUG}",
        endpoint=edit,
        tag="Live blogs",
        summary="Change title, summary, status …",
        answers={200: ("As it is now", schemas.LiveblogObject)},
        problems=(*WRITING, 404, 412, 428),
        description="Only an owner of the site, at the desk and confirmed, takes a rule out of `two_persons`.",
        verb=Verb.MANAGE,
        body=LiveblogPatch,
        example={"status": "ended"},
        headers=("If-Match",),
    ),
)
