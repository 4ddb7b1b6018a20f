"""Refused requests: how they are counted and logged, how their clients are slowed down, and the headers of a 429."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from liveserver.access.people.sign_in import NotConfirmed
from liveserver.domain import errors
from liveserver.realtime.transport.scope_extension import EXTENSION
from liveserver.utils.limits.refusals import Reason, refusals

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Scope

    from liveserver.access.request_limits import RequestLimits

SHOWN = 200
"""At most this many characters of an address or a path are shown in the log."""

_HELD_REASONS = {
    "streams-held": Reason.STREAMS_HELD,
    "bodies-held": Reason.BODIES,
    "uploads-held": Reason.BODIES,
}
"""The reason under which a refusal is counted, by the name of the quota that was used up. These quotas limit how many
things are open at one time. All other quotas limit a rate, and their refusals are counted under `Reason.RATE`."""

_KEY_ID = re.compile(r"(?:.*\s)?lv_([a-z0-9]{12})_.*", re.ASCII | re.DOTALL)


def refused(scope: Scope, error: errors.LiveserverError) -> errors.LiveserverError:
    """Count and log an error that is a refusal. Return the error with which to answer.

    An error that isn't a refusal, such as NotFound or StoreUnavailable, is neither counted nor logged. The returned
    error is `error`, with one exception: if `error` is Unauthorized, and the client's address has sent too many invalid
    API keys, TooManyRequests is returned.
    """
    reason = _reason(scope, error)
    if reason is None:
        return error
    refusals.note(reason, **_log_fields(scope), why=str(error))
    # A request to the desk without a session isn't counted: nobody can guess a session's token, and the open pages of
    # people whose sessions have ended would use up the limit of a newsroom's address.
    if isinstance(error, errors.Unauthorized) and reason is Reason.KEY:
        limits: RequestLimits = scope["state"]["services"].limits
        try:
            limits.failed_key(scope.get("client"))
        except errors.TooManyRequests as many:
            return refused(scope, many)
    return error


def slow_down(scope: Scope) -> None:
    """Count a refusal for the client's address. If the address exceeds the limit of refusals, let the connection rest.

    The limit is `REFUSALS` a second (`access/request_limits.py`). The server parses nothing from a resting connection
    for some seconds. This slows down clients that repeat a request at once after each refusal. The refusal itself is
    sent without delay, as a delayed answer would take memory.

    If the connection comes from a proxy, or if the ASGI server isn't ours, the connection doesn't rest. In these cases
    only a proxy can slow down clients, by limits of its own.
    """
    client = scope.get("client")
    seconds = scope["state"]["services"].limits.refusal_wait(client)
    rest = scope.get("extensions", {}).get(EXTENSION, {}).get("rest")
    if seconds and rest is not None:
        rest(client and tuple(client), seconds)


def waiting(error: errors.TooManyRequests) -> dict[str, str]:
    """Return the headers of a 429, which say when the client may ask again, and which limit it has reached.

    `Retry-After` has the seconds until then. `RateLimit-Policy` and `RateLimit` describe the limit, as in
    draft-ietf-httpapi-ratelimit-headers-11.
    """
    quota = error.quota
    unit = "" if quota.unit == "requests" else f';qu="{quota.unit}"'
    window = "" if quota.window is None else f";w={quota.window}"
    left = "" if quota.window is None else f";t={error.retry_after}"
    return {
        "Retry-After": str(error.retry_after),
        "RateLimit-Policy": f'"{quota.policy}";q={quota.most}{unit}{window}',
        "RateLimit": f'"{quota.policy}";r=0{left}',
    }


def _reason(scope: Scope, error: errors.LiveserverError) -> Reason | None:
    at_desk = scope["path"].startswith("/desk/")
    match error:
        case errors.TooManyRequests():
            return _HELD_REASONS.get(error.quota.policy, Reason.RATE)
        case NotConfirmed():
            # The page asks for the password, and repeats the request.
            return None
        case errors.OtherSite():
            return Reason.OTHER_SITE
        case errors.Unauthorized() if at_desk:
            return Reason.SESSION
        case errors.Forbidden() if at_desk:
            return Reason.ROLE
        case errors.Unauthorized() | errors.Forbidden():
            return Reason.KEY
        case errors.EmbedRefused():
            return Reason.NOT_ADMITTED
    return None


def _log_fields(scope: Scope) -> Mapping[str, str | None]:
    """Return the fields that the log shows of a request. Of the request's API key, the log shows only the id.

    The request's query isn't shown. The query may have a secret, such as the token of a link to the page of reach.
    """
    client = scope.get("client")
    return {
        "address": str(client[0])[:SHOWN] if client else None,
        "method": scope.get("method", "WEBSOCKET"),
        "path": scope["path"][:SHOWN],
        "key": _key_id(scope),
    }


def _key_id(scope: Scope) -> str | None:
    """Return the id in the request's API key; None if there is no key, or if the key doesn't have the right form."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            match = _KEY_ID.fullmatch(value.decode("latin-1"))
            return match[1] if match else None
    return None
