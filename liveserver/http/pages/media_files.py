"""`/media/{name}`: the files of pictures.

What is in memory is sent at once. All else is read when it is its requester's turn, so that nobody who asks for files
that aren't there, or for a byte of each of many, keeps others waiting for theirs.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeVar
from zlib import crc32

from starlette.responses import Response
from starlette.routing import Route

from liveserver.content.body_pictures import MEDIA_PATH
from liveserver.content.media.picture import Picture
from liveserver.domain.errors import Gone, NotFound
from liveserver.http.container import services
from liveserver.http.fair_queue import Requester
from liveserver.http.requesters import must_read, requester_of
from liveserver.http.responses import security_headers
from liveserver.http.responses.entity_tags import still_holds
from liveserver.http.responses.prebuilt import Steady, part, partial_response, span_of
from liveserver.http.route_params import PICTURE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

    from starlette.requests import Request

T = TypeVar("T")

LINES = 4
"""Files that are read at the same time for one address, as a browser asks for a few at once; more would be of no use
with a disk, and would let one address have too much of a bucket."""
REST_MAX = 0.01
"""Seconds that each such line rests at most. What takes longer waits for the disk, or for a bucket, and takes nothing
from the others."""

HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "Accept-Ranges": "bytes",
    # Pages of partners show them, also those that let in only what allows it.
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    **security_headers.FILE,
}


async def file(request: Request) -> Response:
    """A picture in one width."""
    picture = Picture.parse(request.path_params["name"])
    assert picture is not None
    # The name stands for these bytes and no others.
    tag = f'"{picture.name}"'
    headers = {**HEADERS, "ETag": tag}
    content = services(request).library.kept(picture)
    try:
        if still_holds(request.headers.get("if-none-match"), tag):
            if content is None:
                await _size(request, picture)
            return Response(status_code=304, headers=headers)
        headers["Content-Type"] = picture.media_type
        if request.method == "HEAD":
            size = await _size(request, picture) if content is None else len(content)
            return Response(headers={**headers, "Content-Length": str(size)})
        wanted = request.headers.get("range")
        # RFC 9110, 13.1.5: part of another version would be of no use.
        if request.headers.get("if-range", tag) != tag:
            wanted = None
        must_read(request.scope)
        if content is None and wanted is not None:
            size = await _size(request, picture)
            span = span_of(wanted, size)
            if span is not None and span != (0, size):
                found = await _part(request, picture, span)
                return partial_response(found, span, size, headers)
        if content is None:
            content = await _content(request, picture)
    except (NotFound, Gone):
        services(request).limits.missing(request.client)
        raise
    return Steady(content, headers=headers) if wanted is None else part(content, wanted, headers)


async def _size(request: Request, picture: Picture) -> int:
    return await _read(request, picture, "size", services(request).library.size)


async def _part(request: Request, picture: Picture, span: tuple[int, int]) -> bytes:
    start, end = span
    if start >= end:
        return b""
    found = await _read(request, picture, span, partial(services(request).library.part, start=start, end=end))
    must_read(request.scope)
    return found


async def _content(request: Request, picture: Picture) -> bytes:
    found = await _read(request, picture, "file", services(request).library.content)
    # Of many that were asked for together, each has been sent by now, and waits in memory, before the next is read.
    must_read(request.scope)
    return found


async def _read(
    request: Request, picture: Picture, what: Hashable, read: Callable[[Picture], Awaitable[T | None]]
) -> T:
    """What `read` finds in the requester's turn. Raises NotFound and Gone, and what the limits and turns raise."""
    parts = services(request)
    parts.library.check(picture)
    requester = requester_of(request.scope, picture.name)
    line = (requester.line, crc32(picture.name.encode()) % LINES)
    # Without what is unread: many phones may share an address, and `must_read` bounds what all of them have in memory.
    requester = Requester(line, requester.gone, requester.address)
    parts.limits.check_missing(request.client)
    work = parts.picture_queue.join((picture.name, what), partial(read, picture), requester)
    found = await work.result()
    if found is None:
        raise await parts.library.missing(picture)
    return found


FILE_ROUTES = [Route(f"{MEDIA_PATH}/{PICTURE}", file)]
