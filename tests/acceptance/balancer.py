"""A small balancer in front of several nodes: it asks `/readyz`, and gives a connection to the node with the fewest."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Self

import httpx2

if TYPE_CHECKING:
    from collections.abc import Sequence

LOOK = 0.1
"""Seconds between looks whether nodes are ready."""


class Balancer:
    """Balances TCP connections over ports of this machine."""

    def __init__(self, ports: Sequence[int]) -> None:
        self.connections = dict.fromkeys(ports, 0)
        """How many each node has."""
        self._ready: set[int] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        for port in self.connections:
            task = asyncio.create_task(self._watch(port))
            self._tasks.add(task)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _watch(self, port: int) -> None:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=2) as http:
            while True:
                ready = False
                with suppress(httpx2.TransportError):
                    ready = (await http.get("/readyz")).status_code == 200
                (self._ready.add if ready else self._ready.discard)(port)
                await asyncio.sleep(LOOK)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with suppress(OSError, asyncio.CancelledError):
                await self._serve(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._ready:
            return
        port = min(self._ready, key=lambda port: self.connections[port])
        self.connections[port] += 1
        try:
            from_node, to_node = await asyncio.open_connection("127.0.0.1", port)
            try:
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
                to_node.transport.abort()
        finally:
            self.connections[port] -= 1


async def _relay(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while data := await source.read(65_536):
        target.write(data)
        await target.drain()
    with suppress(OSError, NotImplementedError):
        target.write_eof()
