"""Turning away: what is noted of it, and what the one who is turned away is told."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from liveserver.domain import errors
from liveserver.utils.limits.refusals import Reason, refusals

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Scope

    from liveserver.access.request_limits import RequestLimits

SHOWN = 200
"""Characters of what a client sent that the log shows at most."""

_OF_QUOTAS = {
    "streams-held": Reason.STREAMS_HELD,
    "bodies-held": Reason.BODIES,
    "uploads-held": Reason.BODIES,
}
"""Of quotas that are no matter of time."""

_KEY_ID = re.compile(r"(?:.*\s)?lv_([a-z0-9]{12})_.*", re.ASCII | re.DOTALL)


def refused(scope: Scope, error: errors.LiveserverError) -> errors.LiveserverError:
    """Note an error that turns somebody away; what is to be answered with, which is another for too many failed keys.

    What turns nobody away (nothing is there, the database is away) is returned as it came.
    """
    reason = _reason(error)
    if reason is None:
        return error
    refusals.note(reason, **_who(scope), why=str(error))
    if isinstance(error, errors.Unauthorized):
        limits: RequestLimits = scope["state"]["services"].limits
        try:
            limits.failed_key(scope.get("client"))
        except errors.TooManyRequests as many:
            return refused(scope, many)
    return error


async def in_turn(scope: Scope) -> None:
    """Wait until one more refusal may be sent to the client, so that one who asks again at once is answered seldom."""
    seconds = scope["state"]["services"].limits.refusal_wait(scope.get("client"))
    if seconds:
        await asyncio.sleep(seconds)


def waiting(error: errors.TooManyRequests) -> dict[str, str]:
    """The headers that say when to come back, and what the limit is (draft-ietf-httpapi-ratelimit-headers-11)."""
    quota = error.quota
    unit = "" if quota.unit == "requests" else f';qu="{quota.unit}"'
    window = "" if quota.window is None else f";w={quota.window}"
    left = "" if quota.window is None else f";t={error.retry_after}"
    return {
        "Retry-After": str(error.retry_after),
        "RateLimit-Policy": f'"{quota.policy}";q={quota.most}{unit}{window}',
        "RateLimit": f'"{quota.policy}";r=0{left}',
    }


def _reason(error: errors.LiveserverError) -> Reason | None:
    match error:
        case errors.TooManyRequests():
            return _OF_QUOTAS.get(error.quota.policy, Reason.RATE)
        case errors.Unauthorized() | errors.Forbidden():
            return Reason.KEY
        case errors.EmbedRefused():
            return Reason.NOT_ADMITTED
    return None


def _who(scope: Scope) -> Mapping[str, str | None]:
    """Who asked for what. Of a key the id that it claims; nothing of the query, where links have their secrets."""
    client = scope.get("client")
    return {
        "address": str(client[0])[:SHOWN] if client else None,
        "method": scope.get("method", "WEBSOCKET"),
        "path": scope["path"][:SHOWN],
        "key": _key_id(scope),
    }


def _key_id(scope: Scope) -> str | None:
    """The id of the key that was shown, if it has the form of one."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            shown = _KEY_ID.fullmatch(value.decode("latin-1"))
            return shown[1] if shown else None
    return None
