"""Answering with a representation that is ready: the part of a request that is the same for a page and for the API."""

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
"""For what thousands of readers ask for at once.

A CDN asks us once a second, and hands out what it has while it asks: at six seconds at most, what was deleted has gone
from it too. A browser may show a copy of that age as well, when the reader follows a link back; the page says its
position, and the stream brings it up to date from there, deletions included. What has `no-cache` instead is looked at
by programs, which mean what is there now.
"""
POLL_CACHE = "public, max-age=1"
"""For what is asked again because something is missing: an older copy wouldn't have it either."""


_READABLE: dict[Readers, dict[str, str]] = {
    # Whether or not the request names an origin: a CDN may keep the answer, and give it to requests of others.
    Readers.ANY: {"Access-Control-Allow-Origin": "*"},
    Readers.ASKING: {"Access-Control-Allow-Origin": "*", "Vary": "Origin"},
    Readers.NONE: {"Vary": "Origin"},
}


def readable_by(readers: Readers) -> dict[str, str]:
    """The headers that tell browsers whether a script of another site may read an answer.

    What some sites may read has the permission only if one of them asked, so that who asks without an origin gets
    nothing that would open it to all.
    """
    return _READABLE[readers]


_RANGE = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})", re.ASCII | re.IGNORECASE)


class Steady(Response):
    """A response of which a large body is sent in pieces, no faster than it is taken.

    What waits for somebody who reads slowly is encrypted already, if TLS is spoken: a copy for each.
    """

    lasting = False
    """Its body stays in memory anyway."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        size = len(self.body)
        if size <= WRITE_BUFFER:
            await super().__call__(scope, receive, send)
            return
        extension = scope.get("extensions", {}).get(EXTENSION, {})
        # While it is sent it counts for its reader (`utils/limits/unread_bytes.py`); the connection may stay open for
        # long afterwards.
        extension["body"] = b"" if self.lasting else _whole(self.body)
        try:
            await self._send_in_pieces(send, size)
        finally:
            del extension["body"]

    async def _send_in_pieces(self, send: Send, size: int) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        # No copies: all who read it slowly wait with the same bytes.
        body = memoryview(self.body)
        for at in range(0, size, WRITE_BUFFER):
            piece = body[at : at + WRITE_BUFFER]
            await send({"type": "http.response.body", "body": piece, "more_body": at + WRITE_BUFFER < size})


class PrebuiltResponse(Steady):
    """A response whose headers needn't be made."""

    def __init__(self, status: int, headers: RawHeaders, body: bytes) -> None:
        self.status_code = status
        self.raw_headers = headers
        self.body = body
        self.background = None


def respond(scope: Scope, representation: Representation) -> Response:
    """A 200, gzipped if the client takes that; a 304 if it has it already; no body to HEAD."""
    accept_encoding = if_none_match = None
    # One pass over the raw headers: this is what a rush consists of.
    for name, value in scope["headers"]:
        if name == b"accept-encoding":
            accept_encoding = _joined(accept_encoding, value)
        elif name == b"if-none-match":
            if_none_match = _joined(if_none_match, value)
    coded = representation.coded(accept_encoding)
    if unmodified(coded, if_none_match):
        return PrebuiltResponse(304, coded.head_unmodified, b"")
    return PrebuiltResponse(200, coded.head, b"" if scope["method"] == "HEAD" else coded.body)


def part(content: bytes, wanted: str, headers: Mapping[str, str]) -> Response:
    """The range of a file that is wanted (RFC 9110, 14); the whole, if several are, or it can't be read.

    `headers`: the whole's, with its type.
    """
    size = len(content)
    span = span_of(wanted, size)
    if span is None:
        return Steady(content, headers=headers)
    # Not a copy: there would be one for each who reads it slowly.
    return partial_response(memoryview(content)[slice(*span)], span, size, headers)


def span_of(wanted: str, size: int) -> tuple[int, int] | None:
    """The first byte of the range that is wanted, and the one after its last; None where that is the whole.

    It is empty if the file, of so many bytes, ends before.
    """
    match = _RANGE.fullmatch(wanted.replace(" ", ""))
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
    """The answer with a range of a file of so many bytes; 416 where that is empty."""
    start, end = span
    if start >= end:
        return Response(status_code=416, headers={"Content-Range": f"bytes */{size}", "Cache-Control": "no-store"})
    return Steady(content, 206, {**headers, "Content-Range": f"bytes {start}-{end - 1}/{size}"})


async def deny(scope: Scope, receive: Receive, send: Send, response: Response) -> None:
    """Answer the handshake of a WebSocket as if it were any request; with 403 on a server that has nothing else."""
    websocket = WebSocket(scope, receive, send)
    if "websocket.http.response" in scope.get("extensions", {}):
        await websocket.send_denial_response(response)
    else:
        await websocket.close()


def _whole(body: bytes | memoryview) -> bytes:
    return body.obj if isinstance(body, memoryview) else body  # type: ignore[return-value]


def _joined(before: str | None, value: bytes) -> str:
    """A header that stands more than once means the same as its values in a row (RFC 9110, 5.3)."""
    text = value.decode("latin-1")
    return text if before is None else f"{before}, {text}"
