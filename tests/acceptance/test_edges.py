"""Slow clients, and clients for which there is no room: how a server treats them, with true sockets."""

from __future__ import annotations

import asyncio
import resource
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import httpx2

from liveserver.client import Client
from liveserver.server.connection_capacity import capacity
from tests.acceptance.serving import LiveServer, eventually, serving, started
from tests.acceptance.test_slow import EVENTS, LARGE, WEBSOCKET, sockets_to, stalled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

LIVEBLOG = {"slug": "slow", "title": "Lent", "language": "fr", "timezone": "Europe/Paris"}
DESCRIPTORS = 256
POOL = 5


class Peer:
    """A connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: str) -> None:
        self.writer.write(data.encode())

    async def status(self) -> int:
        """Of the next answer."""
        return int((await self.reader.readuntil(b"\r\n\r\n")).split(b" ", 2)[1])


@asynccontextmanager
async def connected(server: LiveServer, data: str = "") -> AsyncIterator[Peer]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        writer.write(data.encode())
        yield Peer(reader, writer)
    finally:
        writer.transport.abort()


@contextmanager
def few_descriptors() -> Iterator[None]:
    """For processes that are started meanwhile."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_slow_clients_are_let_go(tmp_path: Path) -> None:
    """Silent, with half a head, with half a body; each is told what there is to tell."""
    post = "POST /api/v1/liveblogs/slow/entries HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving(tmp_path, head_timeout="1", body_timeout="1"))
        key = await server.key()
        half = post.format(key=key) + 'Content-Length: 100\r\n\r\n{"body": '
        silent = await stack.enter_async_context(connected(server))
        headed = await stack.enter_async_context(connected(server, "GET / HTTP/1.1\r\nHost: x\r\n"))
        bodied = await stack.enter_async_context(connected(server, half))
        events = EVENTS.format(path="/api/v1/liveblogs/slow")
        async with Client(server.url, key) as client:
            await client.create_liveblog(LIVEBLOG)
        follower = await stack.enter_async_context(connected(server, events))
        assert await follower.status() == 200
        assert await silent.reader.read() == b""
        assert await headed.status() == 408
        assert await bodied.status() == 408
        assert {line["reason"] for line in server.log("refused")} == {"head-too-slow", "body-too-slow"}
        # By now the wheel has turned for the follower, too.
        async with connected(server) as other:
            assert await other.reader.read() == b""
        follower.send("x")
        async with Client(server.url, key) as client:
            await client.publish("slow", {"body": "<p>Encore là</p>"})
        assert b"Encore" in await follower.reader.readuntil(b"Encore")


async def test_a_reader_who_takes_one_byte_at_a_time_is_let_go(tmp_path: Path) -> None:
    """The kernel ends what stands still for `LIVESERVER_LAG_TIMEOUT`."""
    async with serving(tmp_path, lag_timeout="1") as server, Client(server.url, await server.key()) as client:
        await client.create_liveblog(LIVEBLOG)
        for _ in range(20):
            await client.publish("slow", {"body": LARGE})
        with ExitStack() as stack:
            reader = stack.enter_context(stalled(server.port, "GET /live/slow HTTP/1.1\r\nHost: x\r\n\r\n"))
            port = reader.getsockname()[1]
            await eventually(lambda: sockets_to(server.port, peer=port) == 1, what="its connection")

            def reads_a_byte() -> bool:
                reader.recv(1)
                return sockets_to(server.port, peer=port) == 0

            await eventually(reads_a_byte, what="its end", seconds=20)


async def test_a_page_is_served_when_there_is_no_room_for_a_stream(tmp_path: Path) -> None:
    """And when there is none at all, that is said, on every connection, until some have left."""
    room = capacity(DESCRIPTORS, database_pool=POOL)
    assert 10 < room.streams < room.connections < 200
    server = LiveServer(tmp_path, database_pool=str(POOL))
    async with AsyncExitStack() as stack:
        with few_descriptors():
            await stack.enter_async_context(started(server))
        editor = await server.key()
        async with Client(server.url, editor) as client:
            await client.create_liveblog(LIVEBLOG)
        await eventually(lambda: sockets_to(server.port) == 0, what="a server without connections")
        followers = await stack.enter_async_context(AsyncExitStack())
        for _ in range(room.streams):
            follower = await followers.enter_async_context(
                connected(server, EVENTS.format(path="/api/v1/liveblogs/slow"))
            )
            assert await follower.status() == 200
        for stream in (EVENTS, WEBSOCKET):
            async with connected(server, stream.format(path="/api/v1/liveblogs/slow")) as late:
                assert await late.status() == 503
            await eventually(lambda: sockets_to(server.port) == room.streams, what="its end")
        async with httpx2.AsyncClient() as http:
            for path in ("/live/slow", "/healthz", "/readyz"):
                assert (await http.get(server.url + path)).status_code == 200
            refused = (await http.get(f"{server.url}/metrics")).text
        assert 'liveserver_refused_total{reason="too-many-streams"} 2.0' in refused
        await eventually(lambda: sockets_to(server.port) == room.streams, what="the requests' end")
        # Connections that ask for nothing, or for half of something, give way, however many they are.
        for number in range(2 * room.connections):
            await followers.enter_async_context(connected(server, "GET / HTTP/1.1\r\n" if number % 2 else ""))
        async with connected(server, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n") as late:
            assert await late.status() == 200
        assert "gave-way" in {line["reason"] for line in server.log("refused")}
        head = "POST /api/v1/liveblogs/slow/entries HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n"
        half = f"{head}Authorization: Bearer {editor}\r\nExpect: 100-continue\r\n\r\n"
        for _ in range(room.connections - room.streams):
            writer = await followers.enter_async_context(connected(server, half))
            # Now the server awaits its body.
            assert await writer.status() == 100
        for _ in range(3):
            # It needn't even ask.
            async with connected(server) as late:
                assert await late.status() == 503
        async with connected(server, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n") as late:
            assert await late.status() == 503
        assert [line["most"] for line in server.log("refused") if line["reason"] == "too-many-connections"] == [
            room.connections
        ]
        await followers.aclose()
        await eventually(lambda: sockets_to(server.port) == 0, what="a server without connections")
        async with httpx2.AsyncClient() as http:
            assert (await http.get(f"{server.url}/healthz")).status_code == 200
