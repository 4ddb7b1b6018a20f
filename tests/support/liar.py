"""A server of one live stream that can be told to lose, double, hold back and break off."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from liveserver.cli.bench.target import Target
from liveserver.cli.bench.viewers.handshake import Opening, Transport
from liveserver.cli.bench.viewers.messages import Mark
from liveserver.domain.change import Position
from liveserver.protocol import messages
from liveserver.protocol.frames import ChangeFrame
from liveserver.realtime.transport.websocket import handshake

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable

EPOCH = "liar"
RUN = "0123abcd"


def answer_to(head: bytes) -> bytes:
    """How our server answers a WebSocket's request."""
    first, *lines = head.rstrip().split(b"\r\n")
    pairs = [line.split(b": ", 1) for line in lines]
    request = handshake.Request(b"GET", first.split(b" ")[1], [(name.lower(), value) for name, value in pairs])
    return handshake.read(request).response([])


class Liar:
    """Serves a stream to WebSocket viewers, and is the source of its changes.

    `copies` tells how many copies of a change (the second number) a connection (the first) gets: 1, if all is well.
    """

    def __init__(self, copies: Callable[[int, int], int]) -> None:
        self.copies = copies
        self.connections: list[asyncio.StreamWriter] = []
        self.refuse = False
        self.break_off_at = -1
        """The change after which all connections are cut."""
        self.visited = asyncio.Event()
        """Somebody is connected."""
        self._news = asyncio.Event()
        self._changes: list[ChangeFrame] = []
        self.url = ""

    @property
    def seq(self) -> int:
        return len(self._changes)

    async def publish(self, number: int) -> int:
        """Send a change to every connection, as often as it gets it."""
        position = Position(EPOCH, self.seq + 1)
        message = messages.entry_message(position.seq, {"body": str(Mark(RUN, number, time.monotonic()))})
        frame = ChangeFrame(position, str(number), message)
        self._changes.append(frame)
        for at, writer in enumerate(self.connections):
            if not writer.is_closing():
                writer.write(frame.ws * self.copies(at, number))
        if number == self.break_off_at:
            for writer in self.connections:
                writer.transport.abort()
        self._news.set()
        return position.seq

    async def reached(self, seq: int) -> None:
        """Return once so much was published."""
        while self.seq < seq:
            self._news.clear()
            await self._news.wait()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            head = await reader.readuntil(b"\r\n\r\n")
            if self.refuse:
                writer.write(b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\n")
                writer.close()
                return
            _, _, after = head.split(b" ")[1].partition(b"?after=")
            start = int(after.rpartition(b"-")[2]) if after else self.seq
            writer.write(answer_to(head))
            hello = messages.hello(Position(EPOCH, self.seq), resumed=bool(after), heartbeat=25)
            writer.write(ChangeFrame(Position(EPOCH, self.seq), "", hello).ws)
            writer.writelines([frame.ws for frame in self._changes[start:]])
            self.connections.append(writer)
            self.visited.set()
            await reader.read()
        writer.close()


@asynccontextmanager
async def lying(
    copies: Callable[[int, int], int] = lambda connection, number: 1, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Liar]:
    """The server while it runs."""
    liar = Liar(copies)
    server = await asyncio.start_server(liar.serve, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    liar.url = f"{'https' if tls else 'http'}://localhost:{port}"
    try:
        yield liar
    finally:
        server.close()
        for writer in liar.connections:
            writer.transport.abort()
        await server.wait_closed()


async def reach(liar: Liar) -> tuple[Target, Opening]:
    """Where it is, and how to ask for its stream."""
    target = await Target.find(liar.url)
    return target, Opening(Transport.WS, target.authority, "/stream")
