"""The API key of a request: its actor, its rights, and the limits against which the request counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from liveserver.access.api_keys import Actor, require
from liveserver.domain.errors import Forbidden
from liveserver.http.container import services
from liveserver.utils import audit_log

if TYPE_CHECKING:
    from starlette.requests import Request


async def actor_of(request: Request) -> Actor | None:
    """Return the actor of the request's API key; None without a key. Raises Unauthorized if the key isn't valid."""
    return await services(request).api_keys.authenticate(request.headers.get("authorization"))


async def authorised(request: Request, scope: str, *, shared: bool = False) -> Actor:
    """Return the actor if its key has the scope, for the live blog in the path; note it for the audit log.

    A path without a live blog needs a key that isn't limited to some, unless its resource is `shared` by all keys.
    Raises Unauthorized or Forbidden.
    """
    actor = require(await actor_of(request), scope, request.path_params.get("slug"), shared=shared)
    peer = request.client
    audit_log.by(key=actor.key_id, address=peer.host if peer else None, route=f"{request.method} {request.url.path}")
    return actor


async def confirm(request: Request, actor: Actor) -> None:
    """Check that the actor's key hasn't changed since the request began, as a body may take long to come.

    Raises Unauthorized or Forbidden.
    """
    if await actor_of(request) != actor:
        raise Forbidden(f"the key “{actor.name}” was changed while this came in: send it again")


async def provisionally_authorised(request: Request, scope: str) -> Actor:
    """Return the actor if its key has the scope, and don't ask the store for a key that was seen before.

    Only for an operation whose transaction confirms the key itself. Raises Unauthorized or Forbidden.
    """
    seen = services(request).api_keys.recall(request.headers.get("authorization"))
    return require(seen or await actor_of(request), scope, request.path_params.get("slug"))


def count(request: Request, *, needs_key: bool) -> None:
    """Count a request by its key if that was seen before, else by its address. Raises TooManyRequests.

    `needs_key`: whether the operation needs a key. Then a key that wasn't seen before isn't counted yet. A good key
    must work even if others use up the limit of the address; a key that isn't valid is counted when that is found out
    (`http/rejections.py`).
    """
    parts, authorization = services(request), request.headers.get("authorization")
    actor = parts.api_keys.recall(authorization)
    if actor is not None:
        parts.limits.with_key(actor.key_id)
    elif authorization is None or not needs_key:
        parts.limits.read(request.scope.get("client"))
