"""The sender of a request: its actor, the check of its rights, and the limits against which the request counts.

A request to `/api/v1` has an API key, or none. A request to `/desk/api/v1` comes from a session: its route
(`http/desk/api_routes.py`) has checked the session, and has put it into the request's scope.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from liveserver.access.actors import Actor, require
from liveserver.access.people.sign_in import check_confirmed
from liveserver.domain.errors import Forbidden, Unauthorized
from liveserver.http.container import services
from liveserver.http.requesters import DESK, claim_connection, is_at_desk
from liveserver.utils import audit_log

if TYPE_CHECKING:
    from starlette.requests import Request

    from liveserver.access.people.desk_sessions import DeskActor
    from liveserver.domain.people.rights import Verb


def desk_actor_of(request: Request) -> DeskActor:
    """Return the user and the session from which a request came. The request must have come to the desk's API."""
    found: DeskActor = request.scope[DESK]
    return found


def api_root(request: Request) -> str:
    """Return the full URL of the API to which the request came, without a slash at the end."""
    return services(request).settings.base_url + ("/desk/api/v1" if is_at_desk(request) else "/api/v1")


async def actor_of(request: Request) -> Actor | None:
    """Return the actor of a request: the user who is signed in, or the API key. None if the request has neither.

    Raises Unauthorized if the key isn't valid.
    """
    if is_at_desk(request):
        return desk_actor_of(request).actor
    return await services(request).api_keys.authenticate(request.headers.get("authorization"))


async def authorised(request: Request, verb: Verb, *, anywhere: bool = False) -> Actor:
    """Return the actor of a request if its rights allow the verb on the live blog in the path.

    If the path names no live blog, the rights must allow the verb on the whole site. A key that is limited to certain
    live blogs has no such rights. `anywhere`: True if it is enough that the rights allow the verb on any one live blog,
    as for pictures, which belong to no live blog. The actor and the route are noted for the audit log. Raises
    Unauthorized if there is no valid key. Raises Forbidden if the rights don't allow the verb.
    """
    return _noted(request, require(await actor_of(request), verb, request.path_params.get("slug"), anywhere=anywhere))


def signed_in(request: Request) -> Actor:
    """Return the user who sent a request to the desk's API, whatever the user's rights.

    The route has checked the session. The actor and the route are noted for the audit log.
    """
    return _noted(request, desk_actor_of(request).actor)


async def confirmed(request: Request, verb: Verb) -> Actor:
    """Return the actor as `authorised` does. The user must have proved their identity in the last ten minutes.

    Call this only for requests to the desk. A sign-in is such a proof, too. Raises NotConfirmed if the last proof is
    older than `CONFIRMED_FOR`.
    """
    actor = await authorised(request, verb)
    check_confirmed(desk_actor_of(request))
    return actor


def _noted(request: Request, actor: Actor) -> Actor:
    claim_connection(request.scope, actor.ref)
    peer = request.client
    audit_log.by(principal=actor.ref, address=peer.host if peer else None, route=f"{request.method} {request.url.path}")
    return actor


async def confirm(request: Request, actor: Actor) -> None:
    """Check again, after the request body has arrived, that the actor has the same rights and the same name as before.

    A body may take long to arrive. Raises Unauthorized if the key was revoked or has expired meanwhile, or if the
    session has ended. Raises Forbidden if the rights or the name were changed in any way.
    """
    if is_at_desk(request):
        slug = request.path_params.get("slug")
        found = await services(request).desk_sessions.authenticate(request.headers.get("cookie"), slug)
        if found is None:
            raise Unauthorized("the session has ended: sign in again")
        current: Actor | None = found.actor
    else:
        current = await actor_of(request)
    if current != actor:
        what = "the rights of" if is_at_desk(request) else "the key"
        raise Forbidden(f"{what} “{actor.principal.name}” was changed while this came in: send it again")


async def provisionally_authorised(request: Request, verb: Verb) -> Actor:
    """Return the actor as `authorised` does. But if this process remembers the API key, the store isn't asked for it.

    The remembered key may have been revoked or limited meanwhile. So only an operation whose transaction checks the key
    again may use this function. Raises Unauthorized if there is no valid key, and Forbidden if the rights don't allow
    the verb.
    """
    seen = None if is_at_desk(request) else services(request).api_keys.recall(request.headers.get("authorization"))
    actor = require(seen or await actor_of(request), verb, request.path_params.get("slug"))
    claim_connection(request.scope, actor.ref)
    return actor


def count(request: Request, *, needs_key: bool) -> None:
    """Count a request against the limit of its API key or its address. Raises TooManyRequests if the limit is exceeded.

    A request with a key that this process remembers counts for the key. A request without a key counts for the address.
    A request with any other key counts for the address if the operation needs no key. If the operation needs a key
    (`needs_key`), the request isn't counted here: the key may be valid, and a valid key must work even if other clients
    have used up the limit of the address. If the key isn't valid, `http/rejections.py` counts the request.
    """
    parts, authorization = services(request), request.headers.get("authorization")
    actor = parts.api_keys.recall(authorization)
    if actor is not None:
        parts.limits.by_principal(actor.ref)
    elif authorization is None or not needs_key:
        parts.limits.read(request.scope.get("client"))
