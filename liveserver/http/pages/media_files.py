"""`/media/{name}`: the files of pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.routing import Route

from liveserver.content.body_pictures import MEDIA_PATH
from liveserver.content.media.picture import Picture
from liveserver.http.container import services
from liveserver.http.requesters import must_read
from liveserver.http.responses import security_headers
from liveserver.http.responses.entity_tags import still_holds
from liveserver.http.responses.prebuilt import Steady, part
from liveserver.http.route_params import PICTURE

if TYPE_CHECKING:
    from starlette.requests import Request

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
    must_read(request.scope)
    content = await services(request).library.content(picture)
    # The name stands for these bytes and no others.
    tag = f'"{picture.name}"'
    headers = {**HEADERS, "ETag": tag}
    if still_holds(request.headers.get("if-none-match"), tag):
        return Response(status_code=304, headers=headers)
    wanted = request.headers.get("range")
    # RFC 9110, 13.1.5: part of another version would be of no use.
    if wanted is None or request.method != "GET" or request.headers.get("if-range", tag) != tag:
        return Steady(content, headers=headers, media_type=picture.media_type)
    return part(content, wanted, {**headers, "Content-Type": picture.media_type})


FILE_ROUTES = [Route(f"{MEDIA_PATH}/{PICTURE}", file)]
