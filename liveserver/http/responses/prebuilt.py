"""Responses made of representations or files that are ready, for pages and the API alike."""

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

A CDN asks us once a second, and hands out its copy while it asks: six seconds after a deletion at most, the CDN doesn't
have the entry any more. A browser may show a copy of that age as well, when the reader follows a link back; the page
says its position, and the stream brings it up to date from there, deletions included. Answers for programs, which want
the current state, have `no-cache` instead.
"""
POLL_CACHE = "public, max-age=1"
"""The Cache-Control of answers that clients ask for because they miss something: an older copy would miss it too."""


_READABLE: dict[Readers, dict[str, str]] = {
    # Even if the request has no Origin: a CDN may keep the answer, and give it to requests that have one.
    Readers.ANY: {"Access-Control-Allow-Origin": "*"},
    Readers.ASKING: {"Access-Control-Allow-Origin": "*", "Vary": "Origin"},
    Readers.NONE: {"Vary": "Origin"},
}


def readable_by(readers: Readers) -> dict[str, str]:
    """Return the headers that tell browsers whether a script of another site may read an answer.

    An answer that only some sites may read has the permission only if one of them asked. A request without an Origin
    therefore gets no copy that would be readable by all.
    """
    return _READABLE[readers]


_RANGE = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})", re.ASCII | re.IGNORECASE)


class Steady(Response):
    """A response whose body, if large, is sent in pieces, no faster than the client takes it.

    With TLS, the bytes that wait for a slow client are encrypted already, so each client has a copy of its own.
    """

    lasting = False
    """True if the body stays in memory anyway, and so doesn't count as unread by its client."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response."""
        size = len(self.body)
        if size <= WRITE_BUFFER:
            await super().__call__(scope, receive, send)
            return
        extension = scope.get("extensions", {}).get(EXTENSION, {})
        # While the body is being sent, it counts as unread by its client (`utils/limits/unread_bytes.py`). It is taken
        # out afterwards, as the connection may stay open for long.
        extension["body"] = b"" if self.lasting else _whole(self.body)
        try:
            await self._send_in_pieces(send, size)
        finally:
            del extension["body"]

    async def _send_in_pieces(self, send: Send, size: int) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        # Views and no copies: all slow clients of this body share the same bytes.
        body = memoryview(self.body)
        for start in range(0, size, WRITE_BUFFER):
            end = start + WRITE_BUFFER
            await send({"type": "http.response.body", "body": body[start:end], "more_body": end < size})


class PrebuiltResponse(Steady):
    """A response of headers that are ready to be sent."""

    def __init__(self, status: int, headers: RawHeaders, body: bytes) -> None:
        self.status_code = status
        self.raw_headers = headers
        self.body = body
        self.background = None


def respond(scope: Scope, representation: Representation) -> Response:
    """Return a 200, gzipped if the client accepts that; a 304 if the client has it already; for HEAD, no body."""
    accept_encoding = if_none_match = None
    # One pass over the raw headers, as most requests of a rush come through here.
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
    """Return the requested range of a file (RFC 9110, 14).

    The whole file is returned if several ranges are requested, or the header can't be read. `range_header`: the Range
    header's value. `headers`: those of the whole file, with its type.
    """
    size = len(content)
    span = span_of(range_header, size)
    if span is None:
        return Steady(content, headers=headers)
    # A view and no copy: there would be one copy for each slow client.
    return partial_response(memoryview(content)[slice(*span)], span, size, headers)


def span_of(range_header: str, size: int) -> tuple[int, int] | None:
    """Return the first byte of the requested range and the one after its last; None if the whole file is to be sent.

    `range_header`: the Range header's value. `size`: the file's, in bytes. The range is empty if it begins after the
    file's end.
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
    """Return a 206 with a range of a file of `size` bytes; a 416 if the range is empty."""
    start, end = span
    if start >= end:
        return Response(status_code=416, headers={"Content-Range": f"bytes */{size}", "Cache-Control": "no-store"})
    return Steady(content, 206, {**headers, "Content-Range": f"bytes {start}-{end - 1}/{size}"})


async def deny(scope: Scope, receive: Receive, send: Send, response: Response) -> None:
    """Refuse the handshake of a WebSocket with this response, or with a bare 403 if the server can't do that."""
    websocket = WebSocket(scope, receive, send)
    if "websocket.http.response" in scope.get("extensions", {}):
        await websocket.send_denial_response(response)
    else:
        await websocket.close()


def _whole(body: bytes | memoryview) -> bytes:
    return body.obj if isinstance(body, memoryview) else body  # type: ignore[return-value]


def _joined(before: str | None, value: bytes) -> str:
    """Append one more value of a header: repeated headers mean the same as a list of their values (RFC 9110, 5.3)."""
    text = value.decode("latin-1")
    return text if before is None else f"{before}, {text}"
