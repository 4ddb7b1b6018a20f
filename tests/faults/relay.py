"""A piece of network: it passes bytes to a port of this machine, can be cut, and can fall silent."""

from __future__ import annotations

import asyncio
from contextlib import suppress

CHUNK = 65_536


class Relay:
    """Passes on to a port. `silence` is a half-open connection: nothing arrives, and nothing says so."""

    def __init__(self, upstream_port: int) -> None:
        self.port = 0
        self._upstream_port = upstream_port
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._connections: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Cut everything, and listen no more."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.cut()

    def cut(self) -> None:
        """Reset every connection. New ones are taken."""
        for writer in [*self._connections]:
            writer.transport.abort()

    def silence(self) -> None:
        """Pass nothing on from now on. Connections stay open, and new ones open, to no avail."""
        self._flowing.clear()

    def flow(self) -> None:
        """Pass on what was held back, and all else."""
        self._flowing.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._connections.add(writer)
        try:
            # What is cut ends like this, on both sides.
            with suppress(OSError, asyncio.CancelledError):
                await self._serve(reader, writer)
        finally:
            self._connections.discard(writer)
            self._tasks.discard(task)
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._flowing.wait()
        from_server, to_server = await asyncio.open_connection("127.0.0.1", self._upstream_port)
        self._connections.add(to_server)
        pumps = [asyncio.create_task(self._pump(*ends)) for ends in ((reader, to_server), (from_server, writer))]
        try:
            await asyncio.wait(pumps)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            self._connections.discard(to_server)
            to_server.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()
            await self._flowing.wait()
        # The end of one direction is passed on; the other may still have something to say.
        with suppress(OSError):
            writer.write_eof()
