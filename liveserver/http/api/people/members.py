"""The desk's `/liveblogs/{slug}/members`: users with a membership, which is a role on one live blog."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response

from liveserver.domain.errors import FieldError, InvalidInput, NotFound
from liveserver.domain.ids import now
from liveserver.domain.inputs.people import MemberInput, RoleInput
from liveserver.domain.people.rights import Role, Verb
from liveserver.http.api.openapi import people_schemas as schemas
from liveserver.http.api.openapi.operation import WRITING, Operation
from liveserver.http.api.requests.answers import answer
from liveserver.http.api.requests.authorisation import authorised, confirmed
from liveserver.http.api.requests.request_body import body_of
from liveserver.http.container import services
from liveserver.http.route_params import SLUG, USER_ID
from liveserver.protocol.people import member_object

if TYPE_CHECKING:
    from starlette.requests import Request

    from liveserver.access.actors import Actor


async def listing(request: Request) -> Response:
    """Answer with the members of a live blog, sorted by name."""
    await authorised(request, Verb.MANAGE)
    members = await services(request).store.users.members(request.path_params["slug"])
    return answer(request, {"items": [member_object(user, role) for user, role in members]}, public=False)


async def put(request: Request) -> Response:
    """Give a user a role on the live blog, and answer with the member."""
    actor = await confirmed(request, Verb.MANAGE)
    body = await body_of(request, RoleInput, actor)
    return await _set(request, actor, request.path_params["user_id"], body.role)


async def add(request: Request) -> Response:
    """Find a user by name, give the user a role on the live blog, and answer with the member."""
    actor = await confirmed(request, Verb.MANAGE)
    body = await body_of(request, MemberInput, actor)
    try:
        user = await services(request).store.users.find_by_name(body.name)
    except NotFound:
        raise InvalidInput([FieldError("/name", "is no user's name")]) from None
    return await _set(request, actor, user.id, body.role)


async def remove(request: Request) -> Response:
    """Remove a user's role on the live blog."""
    actor = await confirmed(request, Verb.MANAGE)
    slug, user_id = request.path_params["slug"], request.path_params["user_id"]
    await services(request).store.users.set_membership(slug, user_id, None, actor.principal, now())
    return Response(status_code=204)


async def _set(request: Request, actor: Actor, user_id: str, role: Role) -> Response:
    slug = request.path_params["slug"]
    user = await services(request).store.users.set_membership(slug, user_id, role, actor.principal, now())
    return answer(request, member_object(user, role), public=False)


_MEMBER = ("The member, with the role on this live blog", schemas.MemberObject)

OPERATIONS = (
    Operation(
        method="GET",
        path=f"/liveblogs/{SLUG}/members",
        endpoint=listing,
        tag="People",
        summary="Who has a role on this live blog alone",
        answers={200: ("All of them, by name", schemas.MemberList)},
        problems=(401, 403, 404, 503),
        verb=Verb.MANAGE,
    ),
    Operation(
        method="POST",
        path=f"/liveblogs/{SLUG}/members",
        endpoint=add,
        tag="People",
        summary="Make somebody a member, by name",
        answers={200: _MEMBER},
        problems=(*WRITING, 404, 409),
        description="A member’s role raises the role on the whole site, and never lowers it. Nobody gives, changes or "
        "takes away a role above their own.",
        verb=Verb.MANAGE,
        body=MemberInput,
        example={"name": "Ada Lovelace", "role": "editor"},
        confirmed=True,
    ),
    Operation(
        method="PUT",
        path=f"/liveblogs/{SLUG}/members/{USER_ID}",
        endpoint=put,
        tag="People",
        summary="Set a member’s role",
        answers={200: _MEMBER},
        problems=(*WRITING, 404, 409),
        verb=Verb.MANAGE,
        body=RoleInput,
        example={"role": "editor"},
        confirmed=True,
    ),
    Operation(
        method="DELETE",
        path=f"/liveblogs/{SLUG}/members/{USER_ID}",
        endpoint=remove,
        tag="People",
        summary="Take a membership away",
        answers={204: ("Only the role on the whole site counts now", None)},
        problems=(401, 403, 404, 503),
        verb=Verb.MANAGE,
        confirmed=True,
    ),
)
