"""The desk's `/session` (the session from which the request came) and `/sessions` (all sessions of the same user)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field
from starlette.responses import Response

from liveserver.access.people.sign_in import CONFIRMED_FOR, Client, WrongPassword
from liveserver.domain.errors import FieldError, InvalidInput
from liveserver.domain.ids import now
from liveserver.domain.inputs.fields import Slug, _unique
from liveserver.domain.inputs.parsing import parse
from liveserver.domain.inputs.people import PasswordInput
from liveserver.domain.people.rights import Verb, allowed
from liveserver.http.api.openapi import people_schemas as schemas
from liveserver.http.api.openapi.operation import Operation
from liveserver.http.api.requests.answers import answer
from liveserver.http.api.requests.authorisation import desk_actor_of, signed_in
from liveserver.http.api.requests.queries import Query
from liveserver.http.api.requests.request_body import body_of
from liveserver.http.container import services
from liveserver.http.responses.session_cookie import remove_cookie
from liveserver.http.route_params import SESSION_ID
from liveserver.protocol.json_encoding import timestamp
from liveserver.protocol.people import membership_objects, session_object
from liveserver.store.repositories.people.sessions import IDLE, LONGEST

if TYPE_CHECKING:
    from starlette.requests import Request

    from liveserver.domain.people.rights import Rights

LIVEBLOGS_MAX = 50
"""The greatest number of live blogs that one `GET /session` may name. The answer lists the user's verbs for each."""


class SelfQuery(Query):
    """The query parameter of `GET /session`: the live blogs for which the answer lists the user's verbs."""

    liveblog: Annotated[list[Slug], Field(max_length=LIVEBLOGS_MAX), AfterValidator(_unique)] = Field(
        [], description="A live blog on which you want to know what you may do; may be repeated"
    )


async def read(request: Request) -> Response:
    """Answer with the user, the session, and the user's verbs on the whole site and on the named live blogs."""
    actor, session = desk_actor_of(request)
    query = parse(SelfQuery, {"liveblog": request.query_params.getlist("liveblog")}, prefix="?")
    store = services(request).store
    user = await store.users.find(actor.principal.id)
    rights = await store.permissions.rights_on(user.id, query.liveblog)
    existing = {liveblog.slug for liveblog in await store.liveblogs.named(query.liveblog)}
    content = {
        "user": {"id": user.id, "name": user.name, "role": user.role},
        "session": {
            "id": session.id,
            "created_at": timestamp(session.created_at),
            "seen_at": timestamp(session.seen_at),
            "ends_at": timestamp(min(session.seen_at + IDLE, session.created_at + LONGEST)),
            "confirmed_until": timestamp(session.confirmed_at + CONFIRMED_FOR),
        },
        "verbs": _verbs(actor.rights, None),
        "memberships": membership_objects(user),
        "liveblogs": [
            {"slug": slug, "verbs": _verbs(rights[slug], slug) if slug in existing else []} for slug in query.liveblog
        ],
    }
    return answer(request, content, public=False)


def _verbs(rights: Rights, slug: str | None) -> list[Verb]:
    return [verb for verb in Verb if allowed(rights, verb, slug)]


async def sign_out(request: Request) -> Response:
    """End the session from which the request came, and remove its cookie."""
    actor, session = signed_in(request), desk_actor_of(request).session
    parts = services(request)
    await parts.store.sessions.end(session.id, actor.principal, now())
    response = Response(status_code=204)
    remove_cookie(response, parts.desk_sessions)
    return response


async def confirm(request: Request) -> Response:
    """Check the user's password once more, and note the time. Answer with the time until which this proof is valid."""
    actor = signed_in(request)
    body = await body_of(request, PasswordInput, actor)
    client = Client(request.scope.get("client"), request.headers.get("user-agent", ""))
    at = now()
    try:
        await services(request).sign_in.confirm_with_password(desk_actor_of(request), body.password, client)
    except WrongPassword:
        # A 401 would say that the session has ended.
        raise InvalidInput([FieldError("/password", "is wrong")]) from None
    return answer(request, {"confirmed_until": timestamp(at + CONFIRMED_FOR)}, public=False)


async def listing(request: Request) -> Response:
    """Answer with all sessions of the user who asks."""
    session = desk_actor_of(request).session
    sessions = await services(request).store.sessions.of_user(session.user_id)
    items = [session_object(each, current=each.id == session.id) for each in sessions]
    return answer(request, {"items": items}, public=False)


async def end(request: Request) -> Response:
    """End one session of the user who asks."""
    actor, session = signed_in(request), desk_actor_of(request).session
    parts, session_id = services(request), request.path_params["session_id"]
    await parts.store.sessions.end(session_id, actor.principal, now())
    response = Response(status_code=204)
    if session_id == session.id:
        remove_cookie(response, parts.desk_sessions)
    return response


async def end_others(request: Request) -> Response:
    """End all sessions of the user who asks, except the session from which the request came."""
    principal = signed_in(request).principal
    await services(request).store.sessions.end_all(principal, now(), but=principal.session)
    return Response(status_code=204)


OPERATIONS = (
    Operation(
        method="GET",
        path="/session",
        endpoint=read,
        tag="Session",
        summary="Who am I, and what may I do?",
        answers={200: ("The user, the session and the verbs", schemas.SelfAnswer)},
        problems=(401, 422, 503),
        description="A button that the verbs don’t allow needn’t be shown. The server checks them again.",
        query=SelfQuery,
    ),
    Operation(
        method="DELETE",
        path="/session",
        endpoint=sign_out,
        tag="Session",
        summary="Sign out",
        answers={204: ("The session has ended, here and on its streams", None)},
        problems=(401, 403, 404, 503),
    ),
    Operation(
        method="POST",
        path="/session/confirm",
        endpoint=confirm,
        tag="Session",
        summary="Give the password once more",
        answers={200: ("What needs it may be done for ten minutes", schemas.ConfirmedObject)},
        problems=(401, 403, 413, 415, 422, 503),
        description="Only somebody who has just proved who they are changes users, roles and keys, or erases an entry. "
        "Otherwise the answer is 403 with the type `urn:liveserver:problem:not-confirmed`.",
        body=PasswordInput,
        example={"password": "correct horse battery staple"},
    ),
    Operation(
        method="GET",
        path="/sessions",
        endpoint=listing,
        tag="Session",
        summary="Where am I signed in?",
        answers={200: ("The one that was used last comes first", schemas.SessionList)},
        problems=(401, 503),
    ),
    Operation(
        method="DELETE",
        path="/sessions",
        endpoint=end_others,
        tag="Session",
        summary="Sign out everywhere else",
        answers={204: ("This session is the only one", None)},
        problems=(401, 403, 503),
    ),
    Operation(
        method="DELETE",
        path=f"/sessions/{SESSION_ID}",
        endpoint=end,
        tag="Session",
        summary="End one session",
        answers={204: ("It has ended, here and on its streams", None)},
        problems=(401, 403, 404, 503),
    ),
)
