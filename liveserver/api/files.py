"""`/media/{name}`: the files of pictures."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.routing import Route

from liveserver import policies
from liveserver.blocks import MEDIA_PATH
from liveserver.conditional import still_holds
from liveserver.paths import PICTURE
from liveserver.pictures import Picture
from liveserver.services import services

if TYPE_CHECKING:
    from starlette.requests import Request

HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "Accept-Ranges": "bytes",
    # Pages of partners show them, also those that let in only what allows it.
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    **policies.FILE,
}

_RANGE = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})", re.ASCII | re.IGNORECASE)


async def file(request: Request) -> Response:
    """A picture in one width."""
    picture = Picture.parse(request.path_params["name"])
    assert picture is not None
    content = await services(request).library.content(picture)
    # The name stands for these bytes and no others.
    tag = f'"{picture.name}"'
    headers = {**HEADERS, "ETag": tag}
    if still_holds(request.headers.get("if-none-match"), tag):
        return Response(status_code=304, headers=headers)
    wanted = request.headers.get("range")
    # RFC 9110, 13.1.5: part of another version would be of no use.
    if wanted is None or request.method != "GET" or request.headers.get("if-range", tag) != tag:
        return Response(content, headers=headers, media_type=picture.media_type)
    return _part(content, wanted, headers, picture.media_type)


def _part(content: bytes, wanted: str, headers: dict[str, str], media_type: str) -> Response:
    """RFC 9110, 14: one range; several, or what can't be read, may be answered with the whole."""
    match = _RANGE.fullmatch(wanted.replace(" ", ""))
    size = len(content)
    if match is None or match.groups() == ("", ""):
        return Response(content, headers=headers, media_type=media_type)
    first, last = match.groups()
    start = int(first) if first else max(0, size - int(last))
    end = min(size, int(last) + 1) if first and last else size
    if first and last and int(last) < int(first):
        return Response(content, headers=headers, media_type=media_type)
    if start >= end:
        return Response(status_code=416, headers={"Content-Range": f"bytes */{size}", "Cache-Control": "no-store"})
    headers = {**headers, "Content-Range": f"bytes {start}-{end - 1}/{size}"}
    return Response(content[start:end], 206, headers, media_type=media_type)


FILE_ROUTES = [Route(f"{MEDIA_PATH}/{PICTURE}", file)]
