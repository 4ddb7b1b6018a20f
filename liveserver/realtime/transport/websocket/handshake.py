"""The server's side of the WebSocket opening handshake (RFC 6455, 4.2; RFC 7692, 7.1). This module does no I/O.

The websockets library can do the whole handshake, but needs ten times as long: it would parse the request again, which
uvicorn has parsed already. This module does only what our viewers need. The library still negotiates extensions, but
only once for each value of the header `Sec-WebSocket-Extensions`.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from functools import lru_cache
from hashlib import sha1
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

from websockets.exceptions import InvalidHeader, NegotiationError
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.headers import build_extension, parse_extension

if TYPE_CHECKING:
    from collections.abc import Iterable

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
WINDOW_BITS = 15
OFFER_MAX = 512
"""The greatest size in bytes of an offer of extensions. A longer offer is ignored.

Browsers' offers have fewer than 100 bytes."""

_DEFLATE = ServerPerMessageDeflateFactory(server_no_context_takeover=True, client_no_context_takeover=True)


class BadHandshake(Exception):
    """The error that is raised if this server doesn't accept a request as a WebSocket handshake.

    `status`, `detail` and `headers`: the status, the text and additional headers of the HTTP answer that refuses it.
    """

    def __init__(self, status: int, detail: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers


class Request(NamedTuple):
    """The head of an HTTP request, as the HTTP server has parsed it."""

    method: bytes
    target: bytes
    headers: list[tuple[bytes, bytes]]
    """The headers, with names in lower case."""
    version: str = "1.1"

    def path_and_query(self) -> tuple[bytes, bytes]:
        """Return the path and the query of `target`, which may have origin form or absolute form (RFC 9112, 3.2)."""
        target = self.target
        if not target.startswith(b"/"):
            target = b"/" + target.partition(b"://")[2].partition(b"/")[2]
        path, _, query = target.partition(b"?")
        return path, query

    def scope(
        self,
        asgi_version: str,
        root_path: str,
        scheme: str,
        server: tuple[str, int | None] | None,
        client: tuple[str, int] | None,
    ) -> dict[str, Any]:
        """Return a WebSocket connection's ASGI scope. The caller must add `subprotocols`, `state` and `extensions`."""
        path, query = self.path_and_query()
        return {
            "type": "websocket",
            "asgi": {"version": asgi_version, "spec_version": "2.4"},
            "http_version": self.version,
            "scheme": scheme,
            "server": server,
            "client": client,
            "root_path": root_path,
            "path": root_path + unquote(path.decode("ascii")),
            "raw_path": root_path.encode("ascii") + path,
            "query_string": query,
            "headers": self.headers,
        }


class Offer(NamedTuple):
    """Two header values of the answer that opens a connection, and the subprotocols that the client offers."""

    accept: bytes
    """The value of `Sec-WebSocket-Accept`."""
    extensions: bytes
    """The value of `Sec-WebSocket-Extensions`; empty if no extension is agreed on."""
    subprotocols: list[str]

    def response(self, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
        """Return the HTTP answer (101) that opens the connection. `headers`: additional headers of the answer."""
        parts = [
            b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: ",
            self.accept,
            b"\r\n",
        ]
        if self.extensions:
            parts += (b"sec-websocket-extensions: ", self.extensions, b"\r\n")
        for name, value in headers:
            parts += (name, b": ", value, b"\r\n")
        parts.append(b"\r\n")
        return b"".join(parts)


def read(request: Request, *, deflate: bool = True) -> Offer:
    """Check the handshake in a request. Return our answer's header values, and the subprotocols that are offered.

    `deflate`: True if we agree to permessage-deflate when it is offered. Raises BadHandshake if the handshake must be
    refused.
    """
    if request.method != b"GET":
        raise BadHandshake(405, "a WebSocket is opened with GET", ((b"allow", b"GET"),))
    if request.version < "1.1":
        # A server must ignore an upgrade in an HTTP/1.0 request (RFC 9110, 7.8).
        raise _no_upgrade()
    headers: dict[bytes, bytes] = {}
    for name, value in request.headers:
        # Several lines of a header mean the same as one line with commas (RFC 9110, 5.3).
        headers[name] = headers[name] + b", " + value if name in headers else value
    if b"websocket" not in _tokens(headers.get(b"upgrade", b"")) or b"upgrade" not in _tokens(
        headers.get(b"connection", b"")
    ):
        raise _no_upgrade()
    if headers.get(b"sec-websocket-version", b"").strip() != b"13":
        raise BadHandshake(426, "WebSocket version 13 is needed", ((b"sec-websocket-version", b"13"),))
    key = headers.get(b"sec-websocket-key", b"").strip()
    try:
        if len(b64decode(key, validate=True)) != 16:
            raise BadHandshake(400, "Sec-WebSocket-Key must be 16 bytes in base64")
    except binascii.Error:
        raise BadHandshake(400, "Sec-WebSocket-Key must be 16 bytes in base64") from None
    offered = headers.get(b"sec-websocket-extensions", b"")
    subprotocols = headers.get(b"sec-websocket-protocol", b"")
    return Offer(
        b64encode(sha1(key + GUID, usedforsecurity=False).digest()),
        _agree(offered) if offered and deflate and len(offered) <= OFFER_MAX else b"",
        [subprotocol.strip() for subprotocol in subprotocols.decode("latin-1").split(",") if subprotocol.strip()],
    )


def head(status: int, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return the head of an HTTP/1.1 response: the status line, the headers, and the empty line after them."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    lines = [f"HTTP/1.1 {status} {phrase}".encode()]
    lines += [name + b": " + value for name, value in headers]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def _no_upgrade() -> BadHandshake:
    return BadHandshake(426, "this needs a WebSocket upgrade over HTTP/1.1", ((b"upgrade", b"websocket"),))


def _tokens(value: bytes) -> list[bytes]:
    return [token.strip() for token in value.lower().split(b",")]


@lru_cache(maxsize=256)
def _agree(offered: bytes) -> bytes:
    """Return our answer to `Sec-WebSocket-Extensions`: permessage-deflate without context takeover, or b"" for none.

    Without context takeover, one deflated message serves every viewer. A viewer that doesn't offer this extension, or
    demands a smaller window than ours, can't get the same bytes. So the answer is b"", and the viewer gets plain
    messages. Results are cached, because browsers send only few different offers. Raises BadHandshake if the offer's
    syntax is wrong.
    """
    try:
        extensions = parse_extension(offered.decode("ascii"))
    except (InvalidHeader, UnicodeDecodeError):
        raise BadHandshake(400, "Sec-WebSocket-Extensions can't be read") from None
    for name, parameters in extensions:
        if name == _DEFLATE.name:
            try:
                agreed, extension = _DEFLATE.process_request_params(parameters, [])
            except NegotiationError:
                continue
            if extension.local_max_window_bits == WINDOW_BITS:
                return build_extension([(name, agreed)]).encode()
    return b""


def refusal(status: int, body: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return a complete HTTP answer that refuses a handshake, with `Connection: close`. `body`: a plain text."""
    content = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(body))]
    return head(status, [*content, (b"connection", b"close"), *headers]) + body
