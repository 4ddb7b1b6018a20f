"""The parameters of paths: a slug, an id, the name of a file. Each has one form, and no route takes any other.

A path with anything else is answered with 404 before any handler runs, and before the store or the hub is asked. So
handlers may use a value of `path_params` as a key without checking it again.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from starlette.convertors import IntegerConvertor, StringConvertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Mount, Route, WebSocketRoute

from liveserver.content.media.picture import NAME
from liveserver.domain.ids import ID_PATTERN, PARTNER_ID_PATTERN, SLUG_MAX, SLUG_PATTERN
from liveserver.http.responses.prebuilt import deny

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.routing import BaseRoute
    from starlette.types import Receive, Scope, Send

SLUG = "{slug:slug}"
ID = "{id:id}"
"""The id of an entry or a picture."""
PARTNER_ID = "{id:partner}"
PICTURE = "{name:picture}"
HASH = "{hash:hash}"
"""The hash that tells a file from its other versions."""
NUMBER = "{number:number}"

SCHEMAS: dict[str, dict[str, str | int]] = {
    "slug": {"type": "string", "pattern": SLUG_PATTERN, "maxLength": SLUG_MAX},
    "id": {"type": "string", "pattern": ID_PATTERN},
    "partner": {"type": "string", "pattern": PARTNER_ID_PATTERN},
}
"""The forms of the API's parameters, as JSON schemas for the OpenAPI document."""


def strict(routes: Iterable[BaseRoute]) -> None:
    """Make the routes' patterns match whole paths only.

    Starlette's patterns end with `$`, which also matches before a line feed at the end. `/metrics%0A` would lead to
    `/metrics`, past a proxy that blocks the latter.
    """
    for route in routes:
        if isinstance(route, Route | WebSocketRoute | Mount):
            pattern = route.path_regex.pattern
            # Applications of one process share most routes: a pattern may have been changed already.
            if not pattern.endswith(r"\Z"):
                route.path_regex = re.compile(pattern.removesuffix("$") + r"\Z")
            strict(getattr(route, "routes", None) or ())


def _part(pattern: str) -> str:
    """Turn the pattern of a whole text into that of a part of a path; no line feed may follow it."""
    return pattern.removeprefix("^").removesuffix("$") + r"(?!\n)"


class Slug(StringConvertor):
    """The form of a live blog's slug, whether or not there is such a live blog."""

    # The length is checked first: a slug that is too long is refused at once, and not word by word.
    regex = rf"(?=[^/]{{1,{SLUG_MAX}}}(?:/|\Z)){_part(SLUG_PATTERN)}"


class _Id(StringConvertor):
    regex = _part(ID_PATTERN)


class _PartnerId(StringConvertor):
    regex = _part(PARTNER_ID_PATTERN)


class _Picture(StringConvertor):
    regex = _part(NAME)


class _Hash(StringConvertor):
    regex = "[0-9a-f]{16}"


class _Number(IntegerConvertor):
    regex = "[1-9][0-9]{0,8}"


register_url_convertor("slug", Slug())
register_url_convertor("id", _Id())
register_url_convertor("partner", _PartnerId())
register_url_convertor("picture", _Picture())
register_url_convertor("hash", _Hash())
register_url_convertor("number", _Number())


async def nowhere(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer 404 for a path that no route has, to requests and to handshakes of WebSockets."""
    if scope["type"] == "http":
        raise HTTPException(404)
    await deny(scope, receive, send, Response(status_code=404))
