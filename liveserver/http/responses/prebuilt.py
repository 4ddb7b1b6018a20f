"""Responses whose bodies are ready: representations and files. Pages and the API use them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.websockets import WebSocket

from liveserver.access.partner_admission import Readers
from liveserver.http.responses.representation import unmodified
from liveserver.realtime.transport.scope_extension import EXTENSION
from liveserver.utils.limits.unread_bytes import WRITE_BUFFER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Receive, Scope, Send

    from liveserver.http.responses.representation import RawHeaders, Representation

CROWD_CACHE = "public, max-age=1, stale-while-revalidate=5"
"""The Cache-Control of answers that thousands of readers ask for at once.

A CDN asks this server once a second, and sends its own copy until this server has answered. So a copy in the CDN may
show a deleted entry for at most six seconds after the deletion. A browser may show a copy of the same age when the
reader goes back to the page. The page has its position, and the stream sends everything that has changed since that
position, deletions included. Programs need the current state, so answers for programs have `no-cache` instead.
"""
POLL_CACHE = "public, max-age=1"
"""The Cache-Control of answers that caches may keep for one second, and no longer.

It is used for the changes since a position: a client that asks for them has no use for an older copy. It is also used
for entries that are sent in answer to a request that names a partner.
"""


_READABLE: dict[Readers, dict[str, str]] = {
    # The header is sent even to a request without an Origin: a CDN may give the answer to requests that have one.
    Readers.ANY: {"Access-Control-Allow-Origin": "*"},
    Readers.ASKING: {"Access-Control-Allow-Origin": "*", "Vary": "Origin"},
    Readers.NONE: {"Vary": "Origin"},
}


def readable_by(readers: Readers) -> dict[str, str]:
    """Return the headers that tell browsers whether a script of another site may read an answer.

    `Access-Control-Allow-Origin` permits the reading. If only certain sites may read the answer, all requests get
    `Vary: Origin`, and only requests from these sites get `Access-Control-Allow-Origin`. So a cache sends the answer
    only to requests with the same Origin header.
    """
    return _READABLE[readers]


_RANGE = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})", re.ASCII | re.IGNORECASE)


class Steady(Response):
    """A response that sends a large body in pieces, no faster than the client receives them.

    With TLS, the bytes that wait for a client are an encrypted copy for this client alone. As the body is sent in
    pieces, this copy is no larger than about one piece.
    """

    lasting = False
    """True if the body stays in memory even after it was sent. In that case, the body's bytes don't count as unread by
    the client."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response."""
        size = len(self.body)
        if size <= WRITE_BUFFER:
            await super().__call__(scope, receive, send)
            return
        extension = scope.get("extensions", {}).get(EXTENSION, {})
        # While the body is being sent, it counts as unread by its client (`utils/limits/unread_bytes.py`). Afterwards
        # it is taken out of the extension, as the connection may stay open for long.
        extension["body"] = b"" if self.lasting else _whole(self.body)
        try:
            await self._send_in_pieces(send, size)
        finally:
            del extension["body"]

    async def _send_in_pieces(self, send: Send, size: int) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        # The pieces are views and not copies: all slow clients of this body share the same bytes.
        body = memoryview(self.body)
        for start in range(0, size, WRITE_BUFFER):
            end = start + WRITE_BUFFER
            await send({"type": "http.response.body", "body": body[start:end], "more_body": end < size})


class PrebuiltResponse(Steady):
    """A response whose status, raw headers and body are ready. They are sent without any change."""

    def __init__(self, status: int, headers: RawHeaders, body: bytes) -> None:
        self.status_code = status
        self.raw_headers = headers
        self.body = body
        self.background = None


def respond(scope: Scope, representation: Representation) -> Response:
    """Return a response with a representation: a 304 if the client has the same bytes already, otherwise a 200.

    A 200 has the gzip if the client accepts gzip. A 304, and a 200 for a HEAD request, has no body.
    """
    accept_encoding = if_none_match = None
    # The raw headers are read in one pass, as most requests of a rush are answered by this function.
    for name, value in scope["headers"]:
        if name == b"accept-encoding":
            accept_encoding = _joined(accept_encoding, value)
        elif name == b"if-none-match":
            if_none_match = _joined(if_none_match, value)
    coded = representation.coded(accept_encoding)
    if unmodified(coded, if_none_match):
        return PrebuiltResponse(304, coded.head_unmodified, b"")
    return PrebuiltResponse(200, coded.head, b"" if scope["method"] == "HEAD" else coded.body)


def part(content: bytes, range_header: str, headers: Mapping[str, str]) -> Response:
    """Return a response with the requested range of a file (RFC 9110, 14).

    The response has the whole file if several ranges are requested, or if the Range header can't be read.
    `range_header`: the value of the Range header. `headers`: the headers of a response with the whole file, among
    them the Content-Type.
    """
    size = len(content)
    span = span_of(range_header, size)
    if span is None:
        return Steady(content, headers=headers)
    # A view is sent and not a copy: otherwise each slow client would keep a copy of its own in memory.
    return partial_response(memoryview(content)[slice(*span)], span, size, headers)


def span_of(range_header: str, size: int) -> tuple[int, int] | None:
    """Return where the requested range of a file begins and ends; None if the whole file is to be sent.

    Returns the position of the range's first byte, and the position after its last byte. If the first position isn't
    less than the second, no byte of the file is in the range. `range_header`: the value of the Range header. `size`:
    the file's size in bytes.
    """
    match = _RANGE.fullmatch(range_header.replace(" ", ""))
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if first and last and int(last) < int(first):
        return None
    start = int(first) if first else max(0, size - int(last))
    return start, min(size, int(last) + 1) if first and last else size


def partial_response(
    content: bytes | memoryview, span: tuple[int, int], size: int, headers: Mapping[str, str]
) -> Response:
    """Return a 206 with a range of a file; a 416 if no byte of the file is in the range.

    `content`: the bytes of the range. `span`: the range, as `span_of` returns it. `size`: the size of the whole file in
    bytes. `headers`: the headers of a response with the whole file.
    """
    start, end = span
    if start >= end:
        return Response(status_code=416, headers={"Content-Range": f"bytes */{size}", "Cache-Control": "no-store"})
    return Steady(content, 206, {**headers, "Content-Range": f"bytes {start}-{end - 1}/{size}"})


async def deny(scope: Scope, receive: Receive, send: Send, response: Response) -> None:
    """Refuse the handshake of a WebSocket with this response, or with a bare 403 if the ASGI server can't send it."""
    websocket = WebSocket(scope, receive, send)
    if "websocket.http.response" in scope.get("extensions", {}):
        await websocket.send_denial_response(response)
    else:
        await websocket.close()


def _whole(body: bytes | memoryview) -> bytes:
    return body.obj if isinstance(body, memoryview) else body  # type: ignore[return-value]


def _joined(before: str | None, value: bytes) -> str:
    """Add one more value to the earlier values of a header that a request has several times (RFC 9110, 5.3).

    Returns all values, joined by commas. `before`: the earlier values, already joined; None if there are none.
    """
    text = value.decode("latin-1")
    return text if before is None else f"{before}, {text}"
