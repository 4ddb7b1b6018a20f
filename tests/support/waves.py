"""Connections in waves, of every kind and with every end, and what a server process holds afterwards.

`test_waves.py` uses it on a server in its own process. Run by itself it starts `liveserver serve`, sends it as many
connections as it is told to (50,000), and prints the process's figures after each round:

    python -m tests.support.waves 50000
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import sys
import tempfile
from contextlib import suppress
from enum import Enum, auto
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

import httpx2

from tests.acceptance.serving import LiveServer, eventually, started
from tests.support.websocket_peer import BINARY, PING, TEXT, WAIT, close, frame

if TYPE_CHECKING:
    from collections.abc import Sequence

HELLO = b'"type":"hello"'
DATABASE = re.compile(r"\.db(-wal|-shm)?$")

AT_ONCE = 100
"""Connections that are being opened at the same time: the listening socket's backlog is larger."""


class End(Enum):
    """How a connection ends."""

    CLOSE = auto()
    """A close frame, whose answer is awaited."""
    WRONG = auto()
    """A frame for which the server ends it."""
    FIN = auto()
    RST = auto()
    FIN_AFTER_MORE = auto()
    """The client says this and that before it leaves."""


class Kind(NamedTuple):
    """A kind of connection that is opened, and ended."""

    request: str
    """The request: lines, the path's slug to be filled in."""
    seated: bytes | None
    """The bytes that show that the connection is as it should be; None to end it without waiting for anything."""
    end: End


UPGRADE = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
WS = "GET /api/v1/liveblogs/{slug}/ws HTTP/1.1\r\nHost: here\r\n" + UPGRADE
DEFLATED = WS + "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
VOID = WS.replace("/ws", "/ws?after=nowhere-1")
SSE = "GET /api/v1/liveblogs/{slug}/events HTTP/1.1\r\nHost: here\r\n"
END = "\r\n"

KINDS = {
    **{f"WebSocket, {end.name}": Kind(WS + END, HELLO, end) for end in End},
    **{f"deflated WebSocket, {end.name}": Kind(DEFLATED + END, HELLO, end) for end in (End.CLOSE, End.RST)},
    "WebSocket from a void position": Kind(VOID + END, b'"type":"reset"', End.RST),
    "WebSocket of an unknown live blog": Kind(WS.replace("{slug}", "unknown") + END, struct.pack("!H", 4504), End.FIN),
    **{f"SSE, {end.name}": Kind(SSE + END, HELLO, end) for end in (End.FIN, End.RST)},
    **{f"nothing, {end.name}": Kind("", None, end) for end in (End.FIN, End.RST)},
    **{f"half a handshake, {end.name}": Kind(WS, None, end) for end in (End.FIN, End.RST)},
    "a handshake that no answer is awaited for": Kind(WS + END, None, End.RST),
    "SSE that no answer is awaited for": Kind(SSE + END, None, End.RST),
    "a refused handshake": Kind(WS.replace("13", "12") + END, b"426", End.FIN),
    "a page": Kind("GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n", b"200", End.FIN),
}


class Client(asyncio.Protocol):
    """One connection."""

    def __init__(self, kind: Kind, slug: str) -> None:
        loop = asyncio.get_running_loop()
        self._kind = kind
        self._request = kind.request.replace("{slug}", slug).encode()
        self._data = b""
        self.seated: asyncio.Future[None] = loop.create_future()
        self.lost: asyncio.Future[None] = loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(self._request)
        if self._kind.seated is None:
            self.seated.set_result(None)

    def data_received(self, data: bytes) -> None:
        if not self.seated.done():
            self._data += data
            assert self._kind.seated is not None
            if self._kind.seated in self._data:
                self.seated.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.seated.done():
            self.seated.set_exception(ConnectionError(f"ended before {self._kind.seated!r} came: {self._data!r}"))
        self.lost.set_result(None)

    def end(self) -> None:
        """End it, in its way."""
        match self._kind.end:
            case End.CLOSE:
                self.transport.write(close(1000))
            case End.WRONG:
                self.transport.write(frame(TEXT, b"x", masked=False))
            case End.FIN:
                self.transport.close()
            case End.FIN_AFTER_MORE:
                some = frame(PING, b"?") + frame(BINARY, b"ab", fin=False) + frame(TEXT, b"cut off")[:-3]
                self.transport.write(some)
                self.transport.close()
            case End.RST:
                linger = struct.pack("ii", 1, 0)
                self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.transport.abort()


async def wave(port: int, slug: str, each: int, kinds: Sequence[Kind] = tuple(KINDS.values())) -> int:
    """Open so many connections of every kind; once all are seated, end them all. Returns how many there were."""
    loop = asyncio.get_running_loop()
    turns = asyncio.Semaphore(AT_ONCE)

    async def opened(kind: Kind) -> Client:
        async with turns:
            _, client = await loop.create_connection(lambda: Client(kind, slug), "127.0.0.1", port)
            await client.seated
            return client

    async with asyncio.timeout(WAIT + each / 50):
        # The kinds in turn, so that they come and go among each other.
        clients = await asyncio.gather(*(opened(kind) for _ in range(each) for kind in kinds))
        for client in clients:
            client.end()
        await asyncio.gather(*(client.lost for client in clients))
    return len(clients)


class Figures(NamedTuple):
    """The figures of a server process."""

    descriptors: int
    """The database's apart: its connections are opened when they are needed first, up to a few."""
    sockets: int
    viewers: int
    """Of the hub."""
    pss: int
    """KiB that are the process's share of the machine's memory."""


def descriptors(pid: int | str) -> list[str]:
    """The files and sockets that a process has open."""
    found = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        # One of our own is open to read this.
        with suppress(FileNotFoundError):
            found.append(str(link.readlink()))
    return found


def is_socket(name: str) -> bool:
    return name.startswith("socket:")


def sockets(pid: int | str) -> int:
    """How many of them are sockets."""
    return sum(map(is_socket, descriptors(pid)))


def pss(pid: int | str) -> int:
    """A process's share of memory in KiB."""
    found = re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1])


async def figures(server: LiveServer) -> Figures:
    """The figures of a server process, when its connections have gone."""
    names = [name for name in descriptors(server.pid) if not DATABASE.search(name)]
    share = pss(server.pid)
    async with httpx2.AsyncClient() as http:
        text = (await http.get(f"{server.url}/metrics")).text
    viewers = sum(float(count) for count in re.findall(r"^liveserver_viewers\{.*\} (\S+)$", text, re.MULTILINE))
    return Figures(len(names), sum(map(is_socket, names)), round(viewers), share)


async def alone(server: LiveServer) -> int:
    """How many sockets a server has that nobody is connected to: as many as it has for a while."""
    known = -1
    while (now := sockets(server.pid)) != known:
        known = now
        await asyncio.sleep(1)
    return known


async def main(connections: int, each: int = 50, rounds: int = 10) -> None:
    """Run the waves, in rounds, against a server process; raises AssertionError if it hasn't let go of them."""
    with tempfile.TemporaryDirectory() as folder:
        server = LiveServer(Path(folder), poll="300", heartbeat="300")
        async with started(server):
            headers = {"Authorization": f"Bearer {await server.key()}"}
            async with httpx2.AsyncClient(headers=headers) as http:
                content = {"slug": "waves", "title": "Waves", "language": "en", "timezone": "UTC"}
                assert (await http.post(f"{server.api}/liveblogs", json=content)).status_code == 201
            before = await alone(server)
            print("connections  descriptors  sockets  viewers  PSS (KiB)")
            told: list[Figures] = []
            total = 0
            for number in range(rounds + 1):
                while total < connections * number // rounds:
                    total += await wave(server.port, "waves", each)
                await eventually(lambda: sockets(server.pid) <= before, what="the end of all")
                told.append(now := await figures(server))
                print(f"{total:11}  {now.descriptors:11}  {now.sockets:7}  {now.viewers:7}  {now.pss:9}", flush=True)
            assert [now.viewers for now in told] == [0] * len(told)
            assert [now.sockets for now in told] == [before] * len(told)
            assert [now.descriptors for now in told] == [told[0].descriptors] * len(told)
            # Caches that fill once are full after half of them.
            half, last = told[len(told) // 2], told[-1]
            assert last.pss <= half.pss * 1.02


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 50_000))
