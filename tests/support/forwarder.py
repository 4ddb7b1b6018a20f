"""A forwarder between a server and its clients in tests: it listens, passes connections on, and cuts them off."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]

CHUNK = 65_536
"""Bytes that are passed on at a time."""


class Forwarder(ABC):
    """A TCP server on a free port, whose connections lead to other ports of this machine."""

    def __init__(self) -> None:
        self.port = 0
        """Where it listens, once it has started."""
        self.tasks: set[asyncio.Task[None]] = set()
        """They are cancelled at the end: one for each connection, and those of the subclass."""
        self._connections: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """Where it listens, as a URL."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Listen no more, and cut every connection."""
        if self._server is None:
            return
        self._server.close()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.cut()
        await self._server.wait_closed()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def cut(self) -> None:
        """Reset every connection, as a network that goes away does. New ones are accepted."""
        for writer in [*self._connections]:
            writer.transport.abort()

    @abstractmethod
    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Do with a connection what is to be done; it is reset when this returns."""

    @asynccontextmanager
    async def connected_to(self, port: int) -> AsyncIterator[Ends]:
        """A connection to a port of this machine, reset at the end."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        self._connections.add(writer)
        try:
            yield reader, writer
        finally:
            self._connections.discard(writer)
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        self._connections.add(writer)
        try:
            # A connection that is cut ends like this, on both sides.
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self.serve(reader, writer)
        finally:
            self._connections.discard(writer)
            self.tasks.discard(task)
            writer.transport.abort()
