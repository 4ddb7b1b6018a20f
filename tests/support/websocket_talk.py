"""A WebSocket connection of ours with its application and its peer, in memory."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from liveserver.realtime.transport.timer_wheel import wheel_of
from liveserver.realtime.transport.websocket.connection import Connection
from liveserver.realtime.transport.websocket.connection_state import WebSocketSettings
from liveserver.realtime.transport.websocket.handshake import Request
from tests.support.websocket_peer import CLOSE, TEXT, WAIT, Transport, answers, chopped, close, frame

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    Message = dict[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    App = Callable[[Message, Receive, Send], Awaitable[None]]
    Answers = list[tuple[int, bytes]]


MAX_SIZE = 256 * 1024
DEFLATE = b"permessage-deflate"


class Server:
    """The state that connections share."""

    def __init__(self) -> None:
        self.connections: set[Any] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self.default_headers: list[tuple[bytes, bytes]] = [(b"server", b"test")]


async def echo(scope: Message, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})


async def listen(scope: Message, receive: Receive, send: Send) -> None:
    """Take everything, and say nothing."""
    await receive()
    await send({"type": "websocket.accept"})
    while (await receive())["type"] == "websocket.receive":
        pass


class Talk:
    """A connection, and its peer's side of it."""

    def __init__(self, app: App = echo, *, extensions: bytes = b"", version: str = "1.1", **terms: Any) -> None:
        self.server = Server()
        self.transport = Transport()
        given = {
            "app": app,
            "root_path": "",
            "asgi_version": "3.0",
            "deflate": True,
            "max_size": MAX_SIZE,
            "ping_interval": 20,
            "ping_timeout": 20,
            **terms,
        }
        self.connection = Connection(WebSocketSettings(**given), self.server, {"a": 1})
        self.connection.connection_made(self.transport)
        headers = [
            (b"host", b"here"),
            (b"upgrade", b"websocket"),
            (b"connection", b"upgrade"),
            (b"sec-websocket-version", b"13"),
            (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
        ]
        if extensions:
            headers.append((b"sec-websocket-extensions", extensions))
        request = Request(b"GET", b"/path?query", headers, version)
        self.connection.begin(request, ("127.0.0.1", 80), ("127.0.0.1", 1), "ws")

    async def opened(self) -> Talk:
        """Wait for the answer to the handshake, and forget it."""
        await asyncio.wait_for(self.transport.wrote.wait(), WAIT)
        self.head = self.transport.written.pop(0)
        assert self.head.startswith(b"HTTP/1.1 101 ")
        return self

    def say(self, *packets: bytes) -> None:
        """Give packets to the connection as its transport would, as long as it reads."""
        for packet in packets:
            if self.transport.over:
                break
            self.connection.data_received(packet)

    def heard(self) -> Answers:
        """The frames that were written since this was last asked."""
        written = answers(self.transport.written)
        self.transport.written.clear()
        return written

    async def ended(self) -> Answers:
        """Wait for the end; returns what was written before it."""
        await asyncio.wait_for(self.transport.ended.wait(), WAIT)
        self.connection.connection_lost(None)
        await asyncio.wait_for(asyncio.gather(*self.server.tasks), WAIT)
        assert self.server.connections == set()
        assert len(wheel_of(asyncio.get_running_loop())) == 0
        return self.heard()


def packets(frames: Sequence[bytes], chop: str) -> Iterable[bytes]:
    """The frames in one packet, each in its own, or every byte in its own."""
    data = b"".join(frames)
    return {"whole": [data], "frames": frames, "bytes": chopped(data, 1)}[chop]


def ended_with(heard: Answers, code: int | None) -> Answers:
    """The frames that were heard before a close frame with that code, which comes last."""
    *before, (first, data) = heard
    assert first == 0x80 | CLOSE
    assert data[:2] == (b"" if code is None else code.to_bytes(2))
    return before


HELLO, HEARD = frame(TEXT, b"Hello"), (0x80 | TEXT, b"Hello")
END = close(1000)
KOSME = bytes.fromhex("cebae1bdb9cf83cebcceb5")
