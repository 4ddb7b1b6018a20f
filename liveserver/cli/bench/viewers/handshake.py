"""The request that opens a viewer's stream, and the check of the answer (RFC 6455, 4; RFC 7692, 7.1). No I/O."""

from __future__ import annotations

import secrets
from base64 import b64encode
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha1
from typing import NamedTuple

from liveserver.cli.bench.errors import Broken

HEAD_MAX = 16 * 1024
"""The greatest number of bytes of the head of an answer. A server that sends a longer head breaks the protocol."""

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_OFFER = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"


class Transport(StrEnum):
    """The transport of a viewer's stream: WebSocket or server-sent events."""

    WS = "ws"
    SSE = "sse"


def random_key() -> str:
    """Return a random value for `Sec-WebSocket-Key`."""
    return b64encode(secrets.token_bytes(16)).decode()


@dataclass(frozen=True)
class Opening:
    """The request that opens a viewer's stream. All viewers of a run send the same request, with the same WebSocket
    key. Only the position after which the stream begins differs."""

    transport: Transport
    authority: str
    """The server's host and port, for the Host header."""
    path: str
    """The stream's path, without a query."""
    deflate: bool = True
    """True if permessage-deflate is offered (WebSocket only)."""
    key: str = field(default_factory=random_key)

    def request(self, after: str | None = None) -> bytes:
        """Return the request as bytes. `after`: the position (`epoch-seq`) after which the stream begins; None to begin
        with the next change."""
        target = f"{self.path}?after={after}" if after else self.path
        lines = [f"GET {target} HTTP/1.1", f"Host: {self.authority}", "User-Agent: liveserver-bench"]
        if self.transport is Transport.SSE:
            lines += ["Accept: text/event-stream", "Cache-Control: no-cache"]
        else:
            lines += ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"]
            lines += [f"Sec-WebSocket-Key: {self.key}"]
            lines += [f"Sec-WebSocket-Extensions: {_OFFER}"] if self.deflate else []
        return "\r\n".join([*lines, "", ""]).encode()

    @property
    def accept(self) -> str:
        """The value that the field `Sec-WebSocket-Accept` of the server's answer must have."""
        return b64encode(sha1(self.key.encode() + _GUID, usedforsecurity=False).digest()).decode()

    def read(self, data: bytes) -> Answer | None:
        """Read and check the answer at the beginning of the server's data, and return it.

        Returns None if the answer's head isn't complete yet. Raises Broken if the server refuses the stream, or the
        answer breaks the protocol.
        """
        head, separator, _ = data.partition(b"\r\n\r\n")
        if not separator:
            if len(data) > HEAD_MAX:
                raise Broken("the answer's head doesn't end")
            return None
        first, *lines = head.decode("latin-1").split("\r\n")
        fields: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(":")
            fields[name.strip().lower()] = value.strip()
        status = first.split(" ")[1] if first.startswith("HTTP/1.") and first.count(" ") else ""
        if status != ("101" if self.transport is Transport.WS else "200"):
            raise Broken(f"answered {first.partition(' ')[2] or repr(first[:40])}")
        if self.transport is Transport.SSE:
            if not fields.get("content-type", "").lower().startswith("text/event-stream"):
                raise Broken(f"answered with {fields.get('content-type', 'no content type')}, not an event stream")
            chunked = "chunked" in fields.get("transfer-encoding", "").lower()
            return Answer(len(head) + 4, deflated=False, chunked=chunked)
        if fields.get("sec-websocket-accept") != self.accept:
            raise Broken("answered with a wrong Sec-WebSocket-Accept")
        return Answer(len(head) + 4, deflated=self._deflated(fields), chunked=False)

    def _deflated(self, fields: dict[str, str]) -> bool:
        agreed = fields.get("sec-websocket-extensions", "")
        if agreed and not (self.deflate and "server_no_context_takeover" in agreed):
            # We inflate each message separately, so the server must have agreed to `server_no_context_takeover`. A
            # server that ignores this parameter breaks RFC 7692, 7.1.1.1.
            raise Broken(f"answered with an extension that wasn't offered: {agreed}")
        return bool(agreed)


class Answer(NamedTuple):
    """The head of the server's answer to the request for a stream."""

    size: int
    """How many bytes the head has. The bytes after it belong to the stream."""
    deflated: bool
    """True if the server agreed to permessage-deflate."""
    chunked: bool
    """True if the stream comes in chunks (HTTP/1.1)."""
