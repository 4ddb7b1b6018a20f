"""A small balancer in front of several nodes: it asks `/readyz`, and gives a connection to the node with the fewest."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import httpx2

from tests.support.forwarder import CHUNK, Forwarder

if TYPE_CHECKING:
    from collections.abc import Sequence

LOOK = 0.1
"""Seconds between looks whether nodes are ready."""


class Balancer(Forwarder):
    """Balances TCP connections over ports of this machine."""

    def __init__(self, ports: Sequence[int]) -> None:
        super().__init__()
        self.connections = dict.fromkeys(ports, 0)
        """How many each node has."""
        self._ready: set[int] = set()

    async def start(self) -> None:
        """Listen on a free port, and watch the nodes."""
        await super().start()
        self.tasks.update(asyncio.create_task(self._watch(port)) for port in self.connections)

    async def _watch(self, port: int) -> None:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=2) as http:
            while True:
                ready = False
                with suppress(httpx2.TransportError):
                    ready = (await http.get("/readyz")).status_code == 200
                (self._ready.add if ready else self._ready.discard)(port)
                await asyncio.sleep(LOOK)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on to the node that has the fewest connections; to none if none is ready."""
        if not self._ready:
            return
        port = min(self._ready, key=lambda port: self.connections[port])
        self.connections[port] += 1
        try:
            async with self.connected_to(port) as (from_node, to_node):
                forth = asyncio.create_task(_relay(reader, to_node))
                try:
                    # The node's end of the stream ends it; what it said last must arrive.
                    await _relay(from_node, writer)
                    writer.close()
                    await writer.wait_closed()
                finally:
                    forth.cancel()
                    await asyncio.gather(forth, return_exceptions=True)
        finally:
            self.connections[port] -= 1


async def _relay(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while data := await source.read(CHUNK):
        target.write(data)
        await target.drain()
    with suppress(OSError, NotImplementedError):
        target.write_eof()
