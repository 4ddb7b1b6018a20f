"""What may stand where a path varies: a slug, an id, the name of a file. Each has one form, to which the routes hold.

A path with anything else leads nowhere: it is answered with 404 before any handler runs, and before the store or the
hub is asked. So what handlers find in `path_params` may become a key of something without another look.
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
"""Of an entry or a picture."""
PARTNER_ID = "{id:partner}"
PICTURE = "{name:picture}"
HASH = "{hash:hash}"
"""What tells a file from its other versions."""
NUMBER = "{number:number}"

SCHEMAS: dict[str, dict[str, str | int]] = {
    "slug": {"type": "string", "pattern": SLUG_PATTERN, "maxLength": SLUG_MAX},
    "id": {"type": "string", "pattern": ID_PATTERN},
    "partner": {"type": "string", "pattern": PARTNER_ID_PATTERN},
}
"""The forms of those that the API has, as OpenAPI says it."""


def strict(routes: Iterable[BaseRoute]) -> None:
    """Have the routes end where their paths do.

    Starlette's patterns end with `$`, before which a line feed may stand: `/metrics%0A` led where `/metrics` does, past
    a proxy that keeps that one to itself.
    """
    for route in routes:
        if isinstance(route, Route | WebSocketRoute | Mount):
            pattern = route.path_regex.pattern
            # Applications of one process share most routes: those that end so already are left as they are.
            if not pattern.endswith(r"\Z"):
                route.path_regex = re.compile(pattern.removesuffix("$") + r"\Z")
            strict(getattr(route, "routes", None) or ())


def _part(pattern: str) -> str:
    """The pattern of a whole text, as one of a part of a path. Starlette's own `$` would let a line feed follow."""
    return pattern.removeprefix("^").removesuffix("$") + r"(?!\n)"


class Slug(StringConvertor):
    """The name of a live blog, whether or not there is one."""

    # Too long a one is seen at once, and not word by word.
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
    """What every path leads to that no route has: a 404, for the handshake of a WebSocket too."""
    if scope["type"] == "http":
        raise HTTPException(404)
    await deny(scope, receive, send, Response(status_code=404))
