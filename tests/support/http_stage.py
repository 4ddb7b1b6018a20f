"""A server's end of HTTP connections, without sockets and without a clock."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.server import ServerState

from liveserver.realtime.transport.scope_extension import EXTENSION
from liveserver.server.protocols.connection_room import ConnectionLimits
from liveserver.server.protocols.encrypted_http_protocol import limited
from liveserver.server.protocols.http_protocol import HttpProtocol
from liveserver.server.protocols.websocket_protocol import ViewerProtocol
from liveserver.utils.limits.refusals import Reason, refusals
from tests.support.viewers import PATIENCE
from tests.support.websocket_peer import Transport

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from liveserver.realtime.transport.timer_wheel import TimerWheel
    from tests.unit.realtime.transport.test_timer_wheel import Loop

    Receive = Callable[[], Awaitable[dict[str, Any]]]
    Send = Callable[[dict[str, Any]], Awaitable[None]]

GET = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
HEAD_SECONDS, BODY_SECONDS = ConnectionLimits().head_seconds, ConnectionLimits().body_seconds
PEER = ("192.0.2.1", 50_000)
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
UPGRADE = (
    b"GET %b HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%b\r\n"
)


class Stage:
    """A server's end of some connections."""

    def __init__(self, wheel: TimerWheel, loop: Loop) -> None:
        self.wheel = wheel
        self.loop = loop
        self.state = ServerState()
        self.scopes: list[dict[str, Any]] = []
        self.bodies: list[bytes] = []
        self.gate = asyncio.Event()
        """Set, the application answers."""
        self.gate.set()
        self.reads = True
        """Whether the application reads bodies."""
        self.rest: tuple[tuple[str, int] | None, float] | None = None
        """The client and the seconds for which the application lets a connection rest."""
        self.rested = asyncio.Event()
        """Set once the application has asked for a rest. Its answer to that request isn't sent yet."""
        self.counts = dict(refusals.counts)
        self._open: list[HttpProtocol] = []

    async def app(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        self.scopes.append({**scope, "headers": list(scope["headers"])})
        body, more = b"", self.reads and scope["type"] == "http"
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.bodies.append(b"disconnected")
                return
            body += message["body"]
            more = message["more_body"]
        self.bodies.append(body)
        await self.gate.wait()
        if self.rest is not None:
            scope["extensions"][EXTENSION]["rest"](*self.rest)
            self.rested.set()
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
            return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    def connect(
        self,
        limits: ConnectionLimits | None = None,
        kind: type[HttpProtocol] = HttpProtocol,
        ws: type[asyncio.Protocol] | str = ViewerProtocol,
    ) -> Connected:
        config = uvicorn.Config(self.app, log_config=None, ws=ws, http=kind, interface="asgi3")
        config.load()
        protocol = (limited(limits) if limits else kind)(config, self.state, {})
        connected = Connected(protocol, self.state)
        self._open.append(protocol)
        protocol.connection_made(connected.transport)
        return connected

    def refused(self) -> dict[Reason, int]:
        """The refusals since the test began."""
        return {reason: n - self.counts[reason] for reason, n in refusals.counts.items() if n != self.counts[reason]}

    def close(self) -> None:
        for protocol in self._open:
            if hasattr(protocol, "parser"):
                protocol.connection_lost(None)


class Handed(Transport):
    """A transport that may get another protocol, and has a peer with an address."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """The peer's address; nothing else is known."""
        return PEER if name == "peername" else default

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Nothing comes of itself."""


class Connected:
    """A connection, and what comes of it."""

    def __init__(self, protocol: HttpProtocol, state: ServerState) -> None:
        self.protocol = protocol
        self.transport = Handed()
        self._state = state

    def send(self, data: bytes, *, pieces: int = 0) -> None:
        """In pieces of so many bytes, until the server reads no more of it."""
        for at in range(0, len(data), pieces or len(data)):
            self.protocol.data_received(data[at : at + (pieces or len(data))])

    async def settled(self) -> bytes:
        """The bytes that were written, once no application runs."""
        async with asyncio.timeout(PATIENCE):
            while tasks := [task for task in self._state.tasks if not task.done()]:
                await asyncio.wait(tasks)
                await asyncio.sleep(0)
        return b"".join(self.transport.written)

    def status(self) -> int:
        """Of the last answer."""
        return int(b"".join(self.transport.written).rpartition(b"HTTP/1.1 ")[2][:3])

    def problem(self) -> dict[str, Any]:
        """The last answer's document."""
        problem: dict[str, Any] = json.loads(b"".join(self.transport.written).rpartition(b"\r\n\r\n")[2])
        return problem

    @property
    def over(self) -> bool:
        """Whether the server has ended it, as far as it is concerned."""
        return bool(self.transport.over) or self.transport.eof


def head(*lines: bytes, target: bytes = b"/", method: bytes = b"GET") -> bytes:
    return b"\r\n".join([b"%b %b HTTP/1.1" % (method, target), b"Host: here", *lines, b"", b""])
