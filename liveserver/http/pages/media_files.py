"""The files of pictures: `/media/{name}`.

A file that is in memory is sent at once. All other files are read when the requester has its turn in the fair queue. So
a client doesn't delay other clients if it asks for many files that don't exist, or for one byte of each of many files.
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
from liveserver.http.queue_line import Requester
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
"""The number of lines that one address has in the fair queue. So at most this many files are read for one address at a
time. A browser asks for a few files at once. If the files are on a disk, more lines would gain nothing. If they are in
a bucket (S3), more lines would let one address use too much of the bucket."""
REST_MAX = 0.01
"""After a file was read for a line of the fair queue, the line rests for as long as the read took, but for this many
seconds at most. A longer read is only waiting for the disk or the bucket, and meanwhile doesn't slow down other
lines."""

HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "Accept-Ranges": "bytes",
    # Partners' pages show the pictures. Some of those pages load only files with these headers.
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    **security_headers.FILE,
}


async def file(request: Request) -> Response:
    """Answer with the file of a picture in one width, or with a range of the file's bytes."""
    picture = Picture.parse(request.path_params["name"])
    assert picture is not None
    # A file with this name never changes, so the name can be its entity tag.
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
        range_header = request.headers.get("range")
        # A part of another version would be of no use to the client (RFC 9110, 13.1.5).
        if request.headers.get("if-range", tag) != tag:
            range_header = None
        must_read(request.scope)
        if content is None and range_header is not None:
            size = await _size(request, picture)
            span = span_of(range_header, size)
            if span is not None and span != (0, size):
                piece = await _part(request, picture, span)
                return partial_response(piece, span, size, headers)
        if content is None:
            content = await _content(request, picture)
    except (NotFound, Gone):
        services(request).limits.missing(request.client)
        raise
    return Steady(content, headers=headers) if range_header is None else part(content, range_header, headers)


async def _size(request: Request, picture: Picture) -> int:
    return await _read(request, picture, "size", services(request).library.size)


async def _part(request: Request, picture: Picture, span: tuple[int, int]) -> bytes:
    start, end = span
    if start >= end:
        return b""
    piece = await _read(request, picture, span, partial(services(request).library.part, start=start, end=end))
    must_read(request.scope)
    return piece


async def _content(request: Request, picture: Picture) -> bytes:
    content = await _read(request, picture, "file", services(request).library.content)
    # This is checked again, as other files may have been sent to this address while this one was read.
    must_read(request.scope)
    return content


async def _read(
    request: Request, picture: Picture, aspect: Hashable, read: Callable[[Picture], Awaitable[T | None]]
) -> T:
    """Call `read` with the picture when the request has its turn in the fair queue, and return the result.

    `aspect`: the thing that `read` reads, such as the size, the whole file, or a range of the file. Requests for the
    same picture and aspect share one call.

    Raises Gone if the picture was deleted. Raises NotFound if the file doesn't exist for another reason. Raises
    TooManyRequests if the address asked for too many pictures that don't exist. Also raises StoreUnavailable, and the
    errors of `FairQueue.run`.
    """
    parts = services(request)
    parts.library.check(picture)
    requester = requester_of(request.scope, picture.name)
    line = (requester.line, crc32(picture.name.encode()) % LINES)
    # This requester has no `unread`, so its line doesn't get fewer turns when clients read slowly: many phones may
    # share an address. `must_read` limits the bytes that are unread by all of them together.
    requester = Requester(line, requester.gone, requester.address)
    parts.limits.check_missing(request.client)
    result = await parts.picture_queue.run((picture.name, aspect), partial(read, picture), requester)
    if result is None:
        raise await parts.library.missing(picture)
    return result


FILE_ROUTES = [Route(f"{MEDIA_PATH}/{PICTURE}", file)]
