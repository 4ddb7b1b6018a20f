"""The files of the front end, under `/static/`. They are few and small, so they are read when the server starts.

Answers are made from memory. If a file were opened for each request, its file descriptor would stay open until the
client has received the whole file. Slow clients need a long time for this.
"""

from __future__ import annotations

import asyncio
from mimetypes import guess_type
from typing import TYPE_CHECKING

from starlette._utils import get_route_path
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response

from liveserver.http.responses.prebuilt import Steady, deny, part, respond
from liveserver.http.responses.representation import Representation

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from importlib.resources.abc import Traversable

    from starlette.types import Receive, Scope, Send

HASHED = "assets/"
"""The folder for files that have a hash in their names. A file with such a name never changes."""


class StaticFiles:
    """ASGI application: answers with the files that were below a directory when the server started."""

    def __init__(self, files: Mapping[str, Representation]) -> None:
        self._files = files
        self._packing = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a GET or HEAD request with a file, or refuse the handshake of a WebSocket with a 403.

        Raises HTTPException: with a 404 if there is no such file, with a 405 for any other method.
        """
        if scope["type"] == "websocket":
            await deny(scope, receive, send, Response(status_code=403))
            return
        if scope["method"] not in {"GET", "HEAD"}:
            raise HTTPException(405, headers={"Allow": "GET, HEAD"})
        file = self._files.get(get_route_path(scope).removeprefix("/"))
        if file is None:
            raise HTTPException(404)
        response = _part(file, scope) or await self._whole(file, scope)
        if isinstance(response, Steady):
            response.lasting = True
        await response(scope, receive, send)

    async def _whole(self, file: Representation, scope: Scope) -> Response:
        if not file.packed:
            # A file is gzipped once, and in a thread, as that takes a tenth of a second for the largest one.
            async with self._packing:
                await asyncio.to_thread(file.pack)
        return respond(scope, file)


def files_below(directory: Traversable) -> dict[str, Representation]:
    """Return all files below a directory as representations. Each key is a file's path relative to the directory."""
    return dict(_representations(directory, ""))


def _representations(directory: Traversable, path: str) -> Iterator[tuple[str, Representation]]:
    for child in directory.iterdir():
        name = f"{path}{child.name}"
        if child.is_dir():
            yield from _representations(child, f"{name}/")
        else:
            yield name, _representation(name, child.read_bytes())


def _representation(name: str, content: bytes) -> Representation:
    media_type = guess_type(name)[0] or "text/plain"
    charset = "; charset=utf-8" if media_type.startswith("text/") else ""
    headers = {
        "Cache-Control": "public, max-age=31536000, immutable" if name.startswith(HASHED) else "public, max-age=300",
        "Accept-Ranges": "bytes",
        # Other sites' pages load the widget's modules, which browsers allow only with these headers.
        "Access-Control-Allow-Origin": "*",
        "Cross-Origin-Resource-Policy": "cross-origin",
    }
    return Representation(content, f"{media_type}{charset}", headers)


def _part(file: Representation, scope: Scope) -> Response | None:
    """Return the response of `part`, not gzipped, if a request asks for a range of a file; otherwise return None.

    Also returns None if the request isn't a GET, has an If-None-Match header, or has an If-Range header that names
    another version of the file.
    """
    request_headers = Headers(scope=scope)
    range_header = request_headers.get("range")
    body, tag, head, _ = file.coded(None)
    if range_header is None or scope["method"] != "GET" or "if-none-match" in request_headers:
        return None
    if request_headers.get("if-range", tag) != tag:
        return None
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in head}
    del headers["content-length"]
    return part(body, range_header, headers)
