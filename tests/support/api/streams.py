"""Streams of a live site, as their viewers read them."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx2
import orjson
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.support.api.site import LIVEBLOG, SLUG, settled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.api.site import JSON, LiveSite

PATIENCE = 10.0
"""Seconds within which anything that is awaited must come."""


class Event(NamedTuple):
    """One event of a text/event-stream."""

    id: str | None
    data: bytes

    @property
    def message(self) -> JSON:
        """Its data, which is JSON."""
        message: JSON = orjson.loads(self.data)
        return message


class Events:
    """A text/event-stream as it comes in, byte for byte."""

    def __init__(self, response: httpx2.Response) -> None:
        self.response = response
        self._raw = response.aiter_raw()
        self._buffer = b""

    async def block(self) -> bytes | None:
        """The lines up to the next empty one; None at the end."""
        async with asyncio.timeout(PATIENCE):
            while b"\n\n" not in self._buffer:
                try:
                    self._buffer += await anext(self._raw)
                except StopAsyncIteration:
                    return None
        block, _, self._buffer = self._buffer.partition(b"\n\n")
        return block

    async def next(self) -> Event:
        """The next event."""
        block = await self.block()
        assert block is not None, "the stream ended"
        fields = dict(line.split(b": ", 1) for line in block.split(b"\n"))
        return Event(fields[b"id"].decode() if b"id" in fields else None, fields[b"data"])


@asynccontextmanager
async def events(site: LiveSite, query: str = "", *, path: str = LIVEBLOG, **headers: str) -> AsyncIterator[Events]:
    """An SSE stream."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    async with (
        httpx2.AsyncClient() as client,
        client.stream("GET", site.url(f"{path}/events{query}"), headers=sent, timeout=PATIENCE) as response,
    ):
        yield Events(response)


@asynccontextmanager
async def websocket(site: LiveSite, query: str = "", *, path: str = LIVEBLOG, **options: Any) -> AsyncIterator[Viewer]:
    """A WebSocket stream."""
    async with connect(site.url(f"{path}/ws{query}", "ws"), **options) as connection:
        yield Viewer(connection)


class Viewer:
    """A viewer by WebSocket."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def raw(self) -> bytes:
        """The next message as it comes; each is one text frame."""
        async with asyncio.timeout(PATIENCE):
            text = await self.connection.recv()
        assert isinstance(text, str)
        return text.encode()

    async def next(self) -> JSON:
        """The next message."""
        message: JSON = orjson.loads(await self.raw())
        return message

    async def end(self) -> int | None:
        """The code with which the server closes; nothing comes before it."""
        with pytest.raises(ConnectionClosed) as closed:
            await self.raw()
        assert closed.value.rcvd is not None
        return closed.value.rcvd.code


async def gone(site: LiveSite, *, viewers: int = 0) -> None:
    """Return once the hub knows of exactly so many viewers."""

    async def as_many() -> bool:
        return site.parts.hub.count(SLUG) == viewers

    await settled(as_many)
