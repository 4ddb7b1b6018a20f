"""Viewers that take nothing: the server lets go of them, entirely and soon."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

from liveserver.client import Client
from tests.acceptance.serving import eventually, serving

STALLED = 5
"""Of each kind."""
LARGE = "<p>" + "Les vagues passent la digue. " * 3_000 + "</p>"

WEBSOCKET = (
    "GET {path}/ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
EVENTS = "GET {path}/events HTTP/1.1\r\nHost: x\r\n\r\n"


def stalled(port: int, request: str) -> socket.socket:
    """A viewer that asks, and reads nothing."""
    viewer = socket.socket()
    viewer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    viewer.connect(("127.0.0.1", port))
    viewer.sendall(request.format(path="/api/v1/liveblogs/slow").encode())
    return viewer


def sockets_to(port: int, *, peer: int | None = None) -> int:
    """Connections that the server's side of the kernel still holds (states 01 to 0B but LISTEN and TIME_WAIT).

    `peer`: only that of the client which has this port.
    """
    held = 0
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        local, remote, state = line.split()[1:4]
        ours = int(local.split(":")[1], 16) == port and peer in {None, int(remote.split(":")[1], 16)}
        held += ours and state not in {"0A", "06"}
    return held


async def test_stalled_viewers_are_let_go(tmp_path: Path) -> None:
    """Their connections end although they never read what waits for them; nor does the server's end wait for it."""
    async with AsyncExitStack() as running:
        server = await running.enter_async_context(serving(tmp_path, lag_timeout="1", poll="0.2", heartbeat="1"))
        async with Client(server.url, await server.key()) as client:
            await client.create_liveblog(
                {"slug": "slow", "title": "Lent", "language": "fr", "timezone": "Europe/Paris"}
            )
            with ExitStack() as stack:
                for request in [WEBSOCKET, EVENTS] * STALLED:
                    stack.enter_context(stalled(server.port, request))
                await eventually(lambda: sockets_to(server.port) >= 2 * STALLED, what="viewers")
                for _ in range(40):
                    await client.publish("slow", {"body": LARGE})
                await eventually(lambda: sockets_to(server.port) <= 2, what="connections let go", seconds=30)
                begun = time.monotonic()
                assert await asyncio.wait_for(server.end(), 10) == 0
                assert time.monotonic() - begun < 5
