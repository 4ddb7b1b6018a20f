"""The parameters in the paths of routes: a slug, an id, the name of a file. Each parameter has one form.

A form is a pattern for the parameter's values. If a value doesn't match it, no route matches. The client gets a 404
before any handler runs, and before the store or the hub is asked. So a handler may use the values in `path_params`
without checking them again.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from starlette.convertors import IntegerConvertor, StringConvertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Mount, Route, WebSocketRoute

from liveserver.content.media.picture import NAME
from liveserver.domain.ids import (
    ID_PATTERN,
    IDENTITY_ID_PATTERN,
    KEY_ID_PATTERN,
    PARTNER_ID_PATTERN,
    SESSION_ID_PATTERN,
    SLUG_MAX,
    SLUG_PATTERN,
    USER_ID_PATTERN,
)
from liveserver.http.responses.prebuilt import deny

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.routing import BaseRoute
    from starlette.types import Receive, Scope, Send

SLUG = "{slug:slug}"
ID = "{id:id}"
"""The parameter, in a route's path, for the id of an entry or a picture."""
NOTE = "{note_id:id}"
"""The parameter, in a route's path, for the id of a note on an entry."""
PARTNER_ID = "{id:partner}"
USER_ID = "{user_id:user}"
SESSION_ID = "{session_id:session}"
IDENTITY_ID = "{identity_id:identity}"
KEY_ID = "{key_id:key}"
"""The parameter, in a route's path, for the id of an API key, which is no secret."""
PICTURE = "{name:picture}"
HASH = "{hash:hash}"
"""The parameter, in a route's path, for the hash that distinguishes the versions of a file."""
NUMBER = "{number:number}"

SCHEMAS: dict[str, dict[str, str | int]] = {
    "slug": {"type": "string", "pattern": SLUG_PATTERN, "maxLength": SLUG_MAX},
    "id": {"type": "string", "pattern": ID_PATTERN},
    "partner": {"type": "string", "pattern": PARTNER_ID_PATTERN},
    "user": {"type": "string", "pattern": USER_ID_PATTERN},
    "session": {"type": "string", "pattern": SESSION_ID_PATTERN},
    "identity": {"type": "string", "pattern": IDENTITY_ID_PATTERN},
    "key": {"type": "string", "pattern": KEY_ID_PATTERN},
}
"""The JSON schemas of path parameters in the OpenAPI document, by the name of the parameter's form."""


def strict(routes: Iterable[BaseRoute]) -> None:
    """Change the routes' patterns so that they match only whole paths.

    Starlette's patterns end with `$`, which also matches before a line feed at the end of a path. So `/metrics%0A`
    would be answered like `/metrics`, even behind a proxy that blocks `/metrics`.
    """
    for route in routes:
        if isinstance(route, Route | WebSocketRoute | Mount):
            pattern = route.path_regex.pattern
            # If a process makes several applications, they share most routes: this one may have been changed already.
            if not pattern.endswith(r"\Z"):
                route.path_regex = re.compile(pattern.removesuffix("$") + r"\Z")
            strict(getattr(route, "routes", None) or ())


def _part(pattern: str) -> str:
    """Return a pattern that matches a parameter within a path. It doesn't match if a line feed follows the parameter.

    `pattern`: a pattern for the parameter alone, which may begin with `^` and end with `$`.
    """
    return pattern.removeprefix("^").removesuffix("$") + r"(?!\n)"


class Slug(StringConvertor):
    """The form of a live blog's slug in a path. Whether a live blog with that slug exists isn't checked."""

    # The pattern checks the length first, so that it needn't go through a very long slug word by word.
    regex = rf"(?=[^/]{{1,{SLUG_MAX}}}(?:/|\Z)){_part(SLUG_PATTERN)}"


class _Id(StringConvertor):
    regex = _part(ID_PATTERN)


class _PartnerId(StringConvertor):
    regex = _part(PARTNER_ID_PATTERN)


class _UserId(StringConvertor):
    regex = _part(USER_ID_PATTERN)


class _SessionId(StringConvertor):
    regex = _part(SESSION_ID_PATTERN)


class _IdentityId(StringConvertor):
    regex = _part(IDENTITY_ID_PATTERN)


class _KeyId(StringConvertor):
    regex = _part(KEY_ID_PATTERN)


class _Picture(StringConvertor):
    regex = _part(NAME)


class _Hash(StringConvertor):
    regex = "[0-9a-f]{16}"


class _Number(IntegerConvertor):
    regex = "[1-9][0-9]{0,8}"


register_url_convertor("slug", Slug())
register_url_convertor("id", _Id())
register_url_convertor("partner", _PartnerId())
register_url_convertor("user", _UserId())
register_url_convertor("session", _SessionId())
register_url_convertor("identity", _IdentityId())
register_url_convertor("key", _KeyId())
register_url_convertor("picture", _Picture())
register_url_convertor("hash", _Hash())
register_url_convertor("number", _Number())


async def nowhere(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer 404 to a request, or to the handshake of a WebSocket. Called by the routers when no route matches."""
    if scope["type"] == "http":
        raise HTTPException(404)
    await deny(scope, receive, send, Response(status_code=404))
