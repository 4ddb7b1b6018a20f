"""The API key of a request: its actor, the check of its scopes, and the limits against which the request counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from liveserver.access.actors import Actor, require
from liveserver.domain.errors import Forbidden
from liveserver.http.container import services
from liveserver.http.requesters import claim_connection
from liveserver.utils import audit_log

if TYPE_CHECKING:
    from starlette.requests import Request

    from liveserver.domain.people.rights import Verb


async def actor_of(request: Request) -> Actor | None:
    """Return the actor of the request's API key; None if the request has no key.

    Raises Unauthorized if the key isn't valid.
    """
    return await services(request).api_keys.authenticate(request.headers.get("authorization"))


async def authorised(request: Request, verb: Verb, *, anywhere: bool = False) -> Actor:
    """Return the actor if the request's API key has the scope and may be used for the live blog in the path.

    The key and the route are noted for the audit log. If the path names no live blog, a key that is limited to certain
    live blogs is refused, unless `shared` is True. `shared`: True for a resource that all keys with the scope may use.
    Raises Unauthorized if there is no valid key. Raises Forbidden if the key lacks the scope or may not be used for the
    live blog.
    """
    actor = require(await actor_of(request), verb, request.path_params.get("slug"), anywhere=anywhere)
    claim_connection(request.scope, actor.ref)
    peer = request.client
    audit_log.by(principal=actor.ref, address=peer.host if peer else None, route=f"{request.method} {request.url.path}")
    return actor


async def confirm(request: Request, actor: Actor) -> None:
    """Check again, after the request body was received, that the actor's API key is unchanged.

    Receiving a body may take long. Raises Unauthorized if the key was revoked or has expired meanwhile. Raises
    Forbidden if the key's scopes or live blogs were changed.
    """
    if await actor_of(request) != actor:
        raise Forbidden(f"the key “{actor.principal.name}” was changed while this came in: send it again")


async def provisionally_authorised(request: Request, verb: Verb) -> Actor:
    """Return the actor like `authorised`. If this process remembers the API key, the store isn't asked for the key.

    The remembered key may have been revoked or limited meanwhile. So only an operation whose transaction checks the key
    again may use this function. Raises the same errors as `authorised`.
    """
    seen = services(request).api_keys.recall(request.headers.get("authorization"))
    actor = require(seen or await actor_of(request), verb, request.path_params.get("slug"))
    claim_connection(request.scope, actor.ref)
    return actor


def count(request: Request, *, needs_key: bool) -> None:
    """Count a request against the limit of its API key or its address. Raises TooManyRequests if the limit is exceeded.

    A request with a key that this process remembers counts for the key. Any other request counts for the address, with
    one exception: a request that has an unknown key isn't counted here if the operation needs a key (`needs_key`). The
    unknown key may be valid. A valid key must work even if other clients have used up the limit of the address. If the
    key isn't valid, the request is counted later (`http/rejections.py`).
    """
    parts, authorization = services(request), request.headers.get("authorization")
    actor = parts.api_keys.recall(authorization)
    if actor is not None:
        parts.limits.by_principal(actor.ref)
    elif authorization is None or not needs_key:
        parts.limits.read(request.scope.get("client"))
