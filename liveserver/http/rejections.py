"""Refused requests: the note in log and metrics, and the headers of the answer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from liveserver.domain import errors
from liveserver.realtime.transport.scope_extension import EXTENSION
from liveserver.utils.limits.refusals import Reason, refusals

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Scope

    from liveserver.access.request_limits import RequestLimits

SHOWN = 200
"""Characters of an address or a path that the log shows at most."""

_HELD_REASONS = {
    "streams-held": Reason.STREAMS_HELD,
    "bodies-held": Reason.BODIES,
    "uploads-held": Reason.BODIES,
}
"""The reasons of refusals by quotas that limit how much is held at a time, by the quota's policy."""

_KEY_ID = re.compile(r"(?:.*\s)?lv_([a-z0-9]{12})_.*", re.ASCII | re.DOTALL)


def refused(scope: Scope, error: errors.LiveserverError) -> errors.LiveserverError:
    """Note an error if it refuses the request, and return the error to answer with.

    That is the same error, or TooManyRequests if the client has shown too many keys that failed. An error that is no
    refusal (nothing was found, the database is away) isn't noted.
    """
    reason = _reason(error)
    if reason is None:
        return error
    refusals.note(reason, **_log_fields(scope), why=str(error))
    if isinstance(error, errors.Unauthorized):
        limits: RequestLimits = scope["state"]["services"].limits
        try:
            limits.failed_key(scope.get("client"))
        except errors.TooManyRequests as many:
            return refused(scope, many)
    return error


def slow_down(scope: Scope) -> None:
    """Have the client's connection read on later if its address was refused often: a refusal should cost it time, too.

    The refusal itself is sent at once, so nothing waits here in the meantime. Behind a proxy, and on other ASGI servers
    than ours, this does nothing: there the proxy's limits hold.
    """
    client = scope.get("client")
    seconds = scope["state"]["services"].limits.refusal_wait(client)
    rest = scope.get("extensions", {}).get(EXTENSION, {}).get("rest")
    if seconds and rest is not None:
        rest(client and tuple(client), seconds)


def waiting(error: errors.TooManyRequests) -> dict[str, str]:
    """Return the headers that say when to come back, and the limit (draft-ietf-httpapi-ratelimit-headers-11)."""
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
            return _HELD_REASONS.get(error.quota.policy, Reason.RATE)
        case errors.Unauthorized() | errors.Forbidden():
            return Reason.KEY
        case errors.EmbedRefused():
            return Reason.NOT_ADMITTED
    return None


def _log_fields(scope: Scope) -> Mapping[str, str | None]:
    """Return the request's fields for the log: of its key the id only, and no query, as that may have secrets."""
    client = scope.get("client")
    return {
        "address": str(client[0])[:SHOWN] if client else None,
        "method": scope.get("method", "WEBSOCKET"),
        "path": scope["path"][:SHOWN],
        "key": _key_id(scope),
    }


def _key_id(scope: Scope) -> str | None:
    """Return the id in the key that was sent; None if none was, or it doesn't have the form of a key."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            match = _KEY_ID.fullmatch(value.decode("latin-1"))
            return match[1] if match else None
    return None
