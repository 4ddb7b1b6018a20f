"""The API key of a request: its actor, the check of its scopes, and the limits against which the request counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from liveserver.access.api_keys import Actor, require
from liveserver.domain.errors import Forbidden
from liveserver.http.container import services
from liveserver.http.requesters import claim_connection
from liveserver.utils import audit_log

if TYPE_CHECKING:
    from starlette.requests import Request


async def actor_of(request: Request) -> Actor | None:
    """Return the actor of the request's API key; None if the request has no key.

    Raises Unauthorized if the key isn't valid.
    """
    return await services(request).api_keys.authenticate(request.headers.get("authorization"))


async def authorised(request: Request, scope: str, *, shared: bool = False) -> Actor:
    """Return the actor if the request's API key has the scope and may be used for the live blog in the path.

    The key and the route are noted for the audit log. If the path names no live blog, the key must not be limited to
    certain live blogs, unless `shared` is True. `shared`: True for a resource that all keys with the scope may use.
    Raises Unauthorized if there is no valid key, and Forbidden if the key may not be used for this.
    """
    actor = require(await actor_of(request), scope, request.path_params.get("slug"), shared=shared)
    claim_connection(request.scope, actor.key_id)
    peer = request.client
    audit_log.by(key=actor.key_id, address=peer.host if peer else None, route=f"{request.method} {request.url.path}")
    return actor


async def confirm(request: Request, actor: Actor) -> None:
    """Check again, after the request body has come, that the actor's API key is the same as before.

    A body may take long to come. Raises Unauthorized if the key was revoked or has expired meanwhile, and Forbidden if
    its scopes or live blogs were changed.
    """
    if await actor_of(request) != actor:
        raise Forbidden(f"the key “{actor.name}” was changed while this came in: send it again")


async def provisionally_authorised(request: Request, scope: str) -> Actor:
    """Return the actor as `authorised` does. But if this process remembers the API key, the store isn't asked for it.

    The remembered key may have been revoked or limited meanwhile. So only an operation whose transaction checks the key
    again may use this function. Raises Unauthorized if there is no valid key, and Forbidden if the key may not be used
    for this.
    """
    seen = services(request).api_keys.recall(request.headers.get("authorization"))
    actor = require(seen or await actor_of(request), scope, request.path_params.get("slug"))
    claim_connection(request.scope, actor.key_id)
    return actor


def count(request: Request, *, needs_key: bool) -> None:
    """Count a request against the limit of its API key or its address. Raises TooManyRequests if it is one too many.

    A request with a key that this process remembers counts for the key. Other requests count for the address, with one
    exception: if the operation needs a key (`needs_key`) and the request has one, it isn't counted here. That key may
    be valid, and must then work even if others at the same address have used up the address's limit. If the key isn't
    valid, the request is counted later (`http/rejections.py`).
    """
    parts, authorization = services(request), request.headers.get("authorization")
    actor = parts.api_keys.recall(authorization)
    if actor is not None:
        parts.limits.with_key(actor.key_id)
    elif authorization is None or not needs_key:
        parts.limits.read(request.scope.get("client"))
