"""A viewer on a real socket, and the other end of its connection."""

from __future__ import annotations

import asyncio
import select
import socket
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import pytest
import uvloop
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Close, Opcode
from websockets.frames import Frame as WebSocketFrame
from websockets.protocol import OPEN
from websockets.uri import parse_uri

from liveserver.domain.change import Position
from liveserver.protocol.frames import ChangeFrame
from liveserver.realtime.transport.event_stream_viewer import EventStreamViewer
from liveserver.realtime.transport.timer_wheel import TimerWheel
from liveserver.realtime.transport.websocket_viewer import DeflatedViewer, WebSocketViewer
from tests.support.viewers import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from liveserver.protocol.frames import Frame
    from liveserver.realtime.transport.socket_viewer import SocketViewer
    from liveserver.realtime.viewer import Viewer

INTERVAL = 20
MANY = 10_000
"""Answers that viewers were asked for, where the test is not of how much one may say (`test_socket_viewer_talk.py`)."""
PEERS: list[socket.socket] = []
"""The clients' ends of the connections of a test."""

ANSWER = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"


def on_both_loops(test: Callable[[], Awaitable[None]]) -> Callable[[Callable[[], asyncio.AbstractEventLoop]], None]:
    """Run a test on asyncio's own loop, and on uvloop."""

    @pytest.mark.parametrize("new_loop", [asyncio.SelectorEventLoop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
    def run(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
        async def in_time() -> None:
            async with asyncio.timeout(PATIENCE):
                await test()

        try:
            with asyncio.Runner(loop_factory=new_loop) as runner:
                runner.run(in_time())
        finally:
            while PEERS:
                PEERS.pop().close()

    run.__doc__ = test.__doc__
    return run


def frame(seq: int, size: int = 10) -> Frame:
    """A change whose message has so many bytes, which hardly shrink."""
    body = b"%d " % seq + _noise(size)
    return ChangeFrame(Position("abcdefgh", seq), str(seq), body[:size])


@cache
def _noise(size: int) -> bytes:
    return bytes(33 + (number * number * 7919 + number // 7 * 31) % 90 for number in range(size))


class Listener:
    """The hub, to a viewer."""

    def __init__(self) -> None:
        self.drains: list[Viewer] = []
        self.left: list[Viewer] = []
        self.words: list[bytes] = []
        self.heard = asyncio.Event()
        self.asks = 0

    def writable(self, viewer: Viewer, /) -> None:
        self.drains.append(viewer)
        self.heard.set()

    def said(self, viewer: Viewer, message: bytes, /) -> None:
        self.words.append(message)

    def asked(self) -> int:
        return self.asks

    def gone(self, viewer: Viewer, /) -> None:
        self.left.append(viewer)
        self.heard.set()

    async def until(self, reached: Callable[[], bool]) -> None:
        """Wait for a report after which that holds."""
        while not reached():
            self.heard.clear()
            await self.heard.wait()


class Spy:
    """The transport, noting what is written through it."""

    def __init__(self, transport: asyncio.Transport, *, tls: bool) -> None:
        self.written: list[bytes] = []
        self._transport = transport
        self._tls = tls

    def write(self, data: bytes) -> None:
        self.written.append(bytes(data))
        self._transport.write(data)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return object() if self._tls and name == "sslcontext" else self._transport.get_extra_info(name, default)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Seat:
    """A viewer, and the other end of its connection."""

    def __init__(
        self, kind: type[SocketViewer], transport: Spy, peer: socket.socket, interval: int, opening: bytes = b""
    ) -> None:
        self.transport = transport
        self.peer = peer
        self.events = Listener()
        self.connections: set[Any] = set()
        self.wheel = TimerWheel(asyncio.get_running_loop())
        extra = (self.wheel, interval) if issubclass(kind, WebSocketViewer) else ()
        self.viewer: Any = cast("Any", kind)(transport, self.events, self.connections, *extra, opening)
        self.client = ClientProtocol(parse_uri("ws://test/"), state=OPEN, max_size=None)
        if kind is DeflatedViewer:
            self.client.extensions = [PerMessageDeflate(True, True, 15, 15)]
        self._frames: list[WebSocketFrame] = []

    async def read(self, count: int) -> bytes:
        """So many bytes of what comes."""
        data = bytearray()
        while len(data) < count:
            more = await asyncio.get_running_loop().sock_recv(self.peer, count - len(data))
            assert more, "the connection ended"
            data += more
        return bytes(data)

    async def frame(self) -> WebSocketFrame:
        """The next frame that comes."""
        while not self._frames:
            data = await asyncio.get_running_loop().sock_recv(self.peer, 65536)
            assert data, "the connection ended"
            self.client.receive_data(data)
            self._frames += cast("list[WebSocketFrame]", self.client.events_received())
            assert self.client.parser_exc is None
        return self._frames.pop(0)

    async def rest(self) -> bytes:
        """All that comes until the end."""
        data = b""
        while more := await asyncio.get_running_loop().sock_recv(self.peer, 65536):
            data += more
        return data

    async def close_code(self) -> int:
        """The code of the close frame that is the next thing that comes, and the last."""
        closing = await self.frame()
        assert closing.opcode is Opcode.CLOSE
        assert not self._frames
        return Close.parse(closing.data).code

    async def say(self, data: bytes) -> None:
        """Send bytes to the server."""
        await asyncio.get_running_loop().sock_sendall(self.peer, data)

    def fill(self, size: int = 3000) -> list[Frame]:
        """Write until the viewer refuses; what it took."""
        taken: list[Frame] = []
        while self.viewer.write(one := frame(len(taken), size)):
            taken.append(one)
        return taken

    async def leave(self) -> None:
        """Close the other end, and wait until that was noticed."""
        self.peer.close()
        await self.events.until(lambda: bool(self.events.left))


def sockets(room: int | None) -> tuple[socket.socket, socket.socket]:
    """Both ends of a TCP connection; `room` bounds what the kernel keeps."""
    with socket.socket() as listener:
        if room is not None:
            for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
                listener.setsockopt(socket.SOL_SOCKET, option, room)
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        peer = socket.socket()
        if room is not None:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        peer.connect(listener.getsockname())
        accepted, _ = listener.accept()
    PEERS.append(peer)
    for end in (accepted, peer):
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        end.setblocking(False)
    return accepted, peer


async def seat(
    kind: type[SocketViewer] = WebSocketViewer,
    *,
    room: int | None = None,
    interval: int = INTERVAL,
    tls: bool = False,
    first: bytes = b"",
    opening: bytes = b"",
) -> Seat:
    """A connection that is handed over, after `first` was written to its transport, and before `opening` is."""
    accepted, peer = sockets(room)
    transport, _ = await asyncio.get_running_loop().connect_accepted_socket(asyncio.Protocol, accepted)
    spy = Spy(transport, tls=tls)
    if first:
        spy.write(first)
    return Seat(kind, spy, peer, interval, opening)


def at_once(peer: socket.socket, size: int) -> bytes:
    """So many bytes, without a turn of the event loop."""
    data = b""
    while len(data) < size:
        assert select.select([peer], [], [], PATIENCE)[0], "nothing came"
        data += peer.recv(size - len(data))
    return data


def masked(opcode: Opcode, data: bytes = b"", *, fin: bool = True, deflated: bool = False) -> bytes:
    """A frame as a client sends it."""
    extensions = [PerMessageDeflate(True, True, 15, 15)] if deflated else None
    return WebSocketFrame(opcode, data, fin).serialize(mask=True, extensions=extensions)


ENCODINGS: list[tuple[type[SocketViewer], str]] = [
    (WebSocketViewer, "ws"),
    (DeflatedViewer, "ws_deflated"),
    (EventStreamViewer, "sse"),
]
