"""Viewers that talk instead of listening: they are shut out soon, and the others notice nothing."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from typing import TYPE_CHECKING

import httpx2

from liveserver.client import Client
from liveserver.protocol.close_codes import CLOSE_TOO_TALKATIVE
from tests.acceptance.serving import serving
from tests.acceptance.test_slow import EVENTS, WEBSOCKET
from tests.support.websocket_peer import CONT, PING, PONG, TEXT, frame

if TYPE_CHECKING:
    from pathlib import Path

SLUG = "bruit"
MOST = 32_000_000
"""Bytes that are sent at most: several times what the kernel takes for both ends of a connection that nobody reads."""
ENTRIES = 20
PATIENCE = 20.0

FLOODS: dict[str, tuple[str, bytes]] = {
    "empty pongs": (WEBSOCKET, frame(PONG)),
    "pings": (WEBSOCKET, frame(PING, b"x" * 125)),
    "texts": (WEBSOCKET, frame(TEXT, b'{"type":"gone"}')),
    "continuations of nothing": (WEBSOCKET, frame(CONT)),
    "requests on an event stream": (EVENTS, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
}


async def pour(port: int, request: str, flood: bytes) -> tuple[int, bytes]:
    """Send without end, and read as well: how many bytes were taken before it was cut off, and what came last."""
    loop, sent, last = asyncio.get_running_loop(), 0, b""
    with socket.socket() as peer:
        peer.setblocking(False)
        await loop.sock_connect(peer, ("127.0.0.1", port))
        await loop.sock_sendall(peer, request.format(path=f"/api/v1/liveblogs/{SLUG}").encode())
        block = flood * (20_000 // len(flood))

        async def send() -> None:
            nonlocal sent
            while sent < MOST:
                await loop.sock_sendall(peer, block)
                sent += len(block)
                await asyncio.sleep(0)

        async def read() -> None:
            nonlocal last
            while data := await loop.sock_recv(peer, 65536):
                last = (last + data)[-4:]

        reading = asyncio.create_task(read())
        with suppress(OSError):
            await send()
        with suppress(OSError):
            await reading
    return sent, last


async def test_the_others_notice_nothing(tmp_path: Path) -> None:
    """They get every entry in turn, and a viewer that asks is answered; of what comes in a flood little is taken."""
    async with (
        serving(tmp_path) as server,
        Client(server.url, await server.key()) as client,
        httpx2.AsyncClient(timeout=PATIENCE) as http,
    ):
        await client.create_liveblog({"slug": SLUG, "title": "Bruit", "language": "fr", "timezone": "Europe/Paris"})
        live = asyncio.Event()
        changes = client.follow(SLUG, on_state=lambda state: live.set())
        seen: list[str] = []

        async def listen() -> None:
            async for change in changes:
                seen.append(change["entry"]["body"])
                if len(seen) == ENTRIES:
                    break

        listening = asyncio.create_task(listen())
        async with asyncio.timeout(2 * PATIENCE):
            await live.wait()
            flooding = asyncio.gather(*(pour(server.port, *flood) for flood in FLOODS.values()))
            for number in range(ENTRIES):
                assert (await http.get(f"{server.url}/healthz")).status_code == 200
                await client.publish(SLUG, {"body": f"<p>{number}</p>"})
            await listening
            floods = await flooding
        assert seen == [f"<p>{number}</p>" for number in range(ENTRIES)]
        for (name, (request, _)), (sent, last) in zip(FLOODS.items(), floods, strict=True):
            assert sent < MOST, name
            if request == WEBSOCKET:
                assert last == b"\x88\x02" + struct.pack("!H", CLOSE_TOO_TALKATIVE), name
        # Requests that come before the stream has begun are noted for what they are.
        refused = next(line for line in server.log("refused") if line["reason"] == "too-talkative")
        assert refused["address"] == "127.0.0.1"
