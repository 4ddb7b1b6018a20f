"""Whose key a request shows, what it may do with it, and for whom the request counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from liveserver.access.api_keys import Actor, require
from liveserver.domain.errors import Forbidden
from liveserver.http.container import services
from liveserver.utils import audit_log

if TYPE_CHECKING:
    from starlette.requests import Request


async def actor_of(request: Request) -> Actor | None:
    """Who asks; None for an anonymous reader."""
    return await services(request).api_keys.authenticate(request.headers.get("authorization"))


async def authorised(request: Request, scope: str, *, shared: bool = False) -> Actor:
    """Who asks, if they may, and that for the live blog that the path names; raises Unauthorized or Forbidden.

    A path that names none is for keys that aren't limited to live blogs; unless what is there is `shared` by all.
    """
    actor = require(await actor_of(request), scope, request.path_params.get("slug"), shared=shared)
    peer = request.client
    audit_log.by(key=actor.key_id, address=peer.host if peer else None, route=f"{request.method} {request.url.path}")
    return actor


async def confirm(request: Request, actor: Actor) -> None:
    """See that the actor's key is what it was when the request began: a body takes as long as its sender likes.

    Raises Unauthorized or Forbidden.
    """
    if await actor_of(request) != actor:
        raise Forbidden(f"the key “{actor.name}” was changed while this came in: send it again")


async def provisionally_authorised(request: Request, scope: str) -> Actor:
    """The same for what confirms the key itself when it writes: without a look at the store for one seen before."""
    seen = services(request).api_keys.recall(request.headers.get("authorization"))
    return require(seen or await actor_of(request), scope, request.path_params.get("slug"))


def count(request: Request, *, needs_key: bool) -> None:
    """Count a request by the key that it shows, if that was seen before, else by the address. Raises TooManyRequests.

    For an operation that needs a key, one that wasn't seen before counts for nothing yet: a good one shall work for who
    shares an address with others, and one that isn't good is counted then (`http/rejections.py`).
    """
    parts, authorization = services(request), request.headers.get("authorization")
    actor = parts.api_keys.recall(authorization)
    if actor is not None:
        parts.limits.with_key(actor.key_id)
    elif authorization is None or not needs_key:
        parts.limits.read(request.scope.get("client"))
