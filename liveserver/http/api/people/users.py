"""The desk's `/users` and `/invitations`: the people of the newsroom. Only owners may use them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from liveserver.access.people.sign_in import new_link
from liveserver.domain.ids import new_user_id, now
from liveserver.domain.inputs.people import InvitationInput, UserPatch
from liveserver.domain.people.rights import Verb
from liveserver.domain.people.user import LinkKind, Membership, User, UserState
from liveserver.http.api.openapi import people_schemas as schemas
from liveserver.http.api.openapi.operation import WRITING, Operation
from liveserver.http.api.requests.answers import answer, page_headers
from liveserver.http.api.requests.authorisation import api_root, authorised, confirmed
from liveserver.http.api.requests.preconditions import version_of
from liveserver.http.api.requests.queries import PageQuery, query_of
from liveserver.http.api.requests.request_body import body_of
from liveserver.http.container import services
from liveserver.http.responses.entity_tags import version_tag
from liveserver.http.route_params import USER_ID
from liveserver.protocol.json_encoding import dumps, timestamp
from liveserver.protocol.people import user_object
from liveserver.store.repositories.people.users import NewUser, UserChange
from liveserver.utils import audit_log

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from liveserver.domain.people.user import JoinLink


async def listing(request: Request) -> Response:
    """Answer with a page of the users, newest first."""
    await authorised(request, Verb.ADMINISTER)
    query = query_of(request, PageQuery)
    users, next_cursor = await services(request).store.users.page(limit=query.limit, cursor=query.cursor)
    content = {"items": [user_object(user) for user in users], "next_cursor": next_cursor}
    return answer(request, content, public=False, headers=page_headers(request, query, next_cursor))


async def read(request: Request) -> Response:
    """Answer with one user."""
    await authorised(request, Verb.ADMINISTER)
    return _user_answer(request, await services(request).store.users.find(request.path_params["user_id"]))


async def edit(request: Request) -> Response:
    """Change a user's name or role, or disable or enable the user. Answer with the user's new state."""
    actor = await confirmed(request, Verb.ADMINISTER)
    version = version_of(request, required=True)
    patch = await body_of(request, UserPatch, actor)
    fields = patch.sent()
    role = fields.get("role")
    change = UserChange(
        fields.get("name"), role, no_role="role" in fields and role is None, disabled=fields.get("disabled")
    )
    parts, user_id = services(request), request.path_params["user_id"]
    user, _ = await parts.after_commit(
        parts.store.users.edit(user_id, change, actor.principal, now(), version=version),
        lambda written: _logged("user.changed", written[0], changed=sorted(fields)),
    )
    return _user_answer(request, user)


async def invite(request: Request) -> Response:
    """Invite a person, and answer with the link by which the person joins."""
    actor = await confirmed(request, Verb.ADMINISTER)
    body = await body_of(request, InvitationInput, actor)
    at = now()
    memberships = () if body.liveblog is None else (Membership(body.liveblog, body.role),)
    role = body.role if body.liveblog is None else None
    user = User(new_user_id(), body.name, role, UserState.INVITED, at, at, 1, memberships)
    token, link = new_link(user.id, LinkKind.JOIN, at)
    parts = services(request)
    user = await parts.after_commit(
        parts.store.users.invite(NewUser(user, token.digest, link), actor.principal),
        lambda written: _logged("user.invited", written),
    )
    location = f"{api_root(request)}/users/{user.id}"
    return _link_answer(request, user, link, token.token, headers={"Location": location})


async def reset(request: Request) -> Response:
    """Void a user's password, passkeys and sessions. Answer with a link to set a new password or passkey."""
    actor = await confirmed(request, Verb.ADMINISTER)
    parts, user_id, at = services(request), request.path_params["user_id"], now()
    invited = (await parts.store.users.find(user_id)).state is UserState.INVITED
    token, link = new_link(user_id, LinkKind.JOIN if invited else LinkKind.RESET, at)
    user, _ = await parts.after_commit(
        parts.store.credentials.reset(user_id, token.digest, link, actor.principal),
        lambda written: _logged("user.reset", written[0]),
    )
    return _link_answer(request, user, link, token.token)


def _logged(event: str, user: User, **fields: object) -> None:
    audit_log.done(event, user=user.id, name=user.name, **fields)


def _user_answer(request: Request, user: User) -> Response:
    # Memberships and the state can change while the version stays the same.
    body = dumps(user_object(user))
    return answer(request, body, etag=version_tag(user.entity_version, body), public=False)


def _link_answer(
    request: Request, user: User, link: JoinLink, token: str, *, headers: dict[str, str] | None = None
) -> Response:
    # What comes after `#` is sent to no server, and stands in no log.
    url = f"{services(request).settings.base_url}/desk/join#{token}"
    content = {"user": user_object(user), "url": url, "expires_at": timestamp(link.expires_at)}
    return answer(request, content, status=201, public=False, headers=headers)


OPERATIONS = (
    Operation(
        method="GET",
        path="/users",
        endpoint=listing,
        tag="People",
        summary="List users, newest first",
        answers={200: ("A page; `Link` names the next", schemas.UserList)},
        problems=(401, 403, 422, 503),
        verb=Verb.ADMINISTER,
        query=PageQuery,
    ),
    Operation(
        method="GET",
        path=f"/users/{USER_ID}",
        endpoint=read,
        tag="People",
        summary="Read a user",
        answers={200: ("The user; `ETag` is the version, and changes with the memberships", schemas.UserObject)},
        problems=(401, 403, 404, 503),
        verb=Verb.ADMINISTER,
        headers=("If-None-Match",),
    ),
    Operation(
        method="PATCH",
        path=f"/users/{USER_ID}",
        endpoint=edit,
        tag="People",
        summary="Change a user’s name or role, or disable the user",
        answers={200: ("As it is now", schemas.UserObject)},
        problems=(*WRITING, 404, 409, 412, 428),
        description='`{"disabled": true}` ends the user’s sessions and streams within two seconds. `"role": null` '
        "leaves the memberships alone to count. The last owner stays one.",
        verb=Verb.ADMINISTER,
        body=UserPatch,
        example={"role": "editor"},
        headers=("If-Match",),
        confirmed=True,
    ),
    Operation(
        method="POST",
        path="/invitations",
        endpoint=invite,
        tag="People",
        summary="Invite a person",
        answers={201: ("A link for this person alone, good for 72 hours", schemas.LinkObject)},
        problems=(*WRITING, 404, 409),
        verb=Verb.ADMINISTER,
        body=InvitationInput,
        example={"name": "Ada Lovelace", "role": "reporter", "liveblog": "grandes-marees"},
        confirmed=True,
    ),
    Operation(
        method="POST",
        path=f"/users/{USER_ID}/reset",
        endpoint=reset,
        tag="People",
        summary="Let a user set a new password",
        answers={201: ("A link for this person alone, good for 72 hours", schemas.LinkObject)},
        problems=(401, 403, 404, 409, 503),
        description="The old password and the passkeys are void at once, and the user’s sessions end.",
        verb=Verb.ADMINISTER,
        confirmed=True,
    ),
)
