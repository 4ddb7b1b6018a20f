"""A piece of network: it passes bytes to a port of this machine, can be cut, and can fall silent."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from tests.support.forwarder import CHUNK, Forwarder


class Relay(Forwarder):
    """Passes on to a port. `silence` is a half-open connection: nothing arrives, and nothing says so."""

    def __init__(self, upstream_port: int) -> None:
        super().__init__()
        self._upstream_port = upstream_port
        self._flowing = asyncio.Event()
        self._flowing.set()

    def silence(self) -> None:
        """Pass nothing on from now on. Connections stay open, and new ones open, to no avail."""
        self._flowing.clear()

    def flow(self) -> None:
        """Pass on what was held back, and all else."""
        self._flowing.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on both ways until both have ended."""
        await self._flowing.wait()
        async with self.connected_to(self._upstream_port) as (from_server, to_server):
            pumps = [asyncio.create_task(self._pump(*ends)) for ends in ((reader, to_server), (from_server, writer))]
            try:
                await asyncio.wait(pumps)
            finally:
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)

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
