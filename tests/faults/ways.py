"""The ways in which a viewer's messages come: WebSocket and SSE, on sockets that can be left unread."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

import orjson
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from tests.faults.reading import Broken

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

    from liveserver.domain.change import Position

Message = dict[str, Any]

OPEN_SECONDS = 10.0
BUFFER = 64 * 1024
"""Bytes that a viewer's kernel takes, so that one who stops reading is noticed."""
READER = 8 * 1024
"""The same of this process."""
REFUSED = 503
"""The code with which an event stream that wasn't opened has ended."""


class Ended(Exception):
    """The connection is over. `code` None: without a word."""

    def __init__(self, code: int | None) -> None:
        super().__init__(str(code))
        self.code = code


class Way(Protocol):
    """One connection."""

    async def receive(self) -> Message:
        """The next message. Raises Ended."""

    async def close(self) -> None:
        """End it properly."""

    def abort(self) -> None:
        """End it without a word."""


class WebSocketWay:
    """By WebSocket."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    @classmethod
    async def open(cls, port: int, path: str, after: Position | None, *, deflate: bool) -> WebSocketWay:
        """Raises Ended if nobody takes it."""
        query = f"?after={after}" if after else ""
        sock = await _socket(port)
        try:
            connection = await connect(
                f"ws://127.0.0.1:{port}{path}/ws{query}",
                sock=sock,
                compression="deflate" if deflate else None,
                max_size=None,
                max_queue=1,
                ping_interval=None,
                open_timeout=OPEN_SECONDS,
                close_timeout=0.5,
                proxy=None,
            )
        except (OSError, TimeoutError, InvalidHandshake) as error:
            sock.close()
            raise Ended(error.response.status_code if isinstance(error, InvalidStatus) else None) from error
        return cls(connection)

    async def receive(self) -> Message:
        try:
            message: Message = orjson.loads(await self._connection.recv())
        except ConnectionClosed as error:
            raise Ended(error.rcvd.code if error.rcvd else None) from None
        return message

    async def close(self) -> None:
        await self._connection.close()

    def abort(self) -> None:
        self._connection.transport.abort()


class EventsWay:
    """By text/event-stream (HTML, 9.2.6), as far as ours goes: one `data` line an event."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port: int, path: str, after: Position | None, *, header: bool) -> EventsWay:
        """Raises Ended if nobody takes it. `header`: the position goes as Last-Event-ID, not in the query."""
        query, last = "", ""
        if after and header:
            # A query that is older must not win.
            query, last = f"?after={after.epoch}-0", f"Last-Event-ID: {after}\r\n"
        elif after:
            query = f"?after={after}"
        sock = await _socket(port)
        reader, writer = await asyncio.open_connection(sock=sock, limit=READER)
        way = cls(reader, writer)
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                writer.write(f"GET {path}/events{query} HTTP/1.1\r\nHost: 127.0.0.1\r\n{last}\r\n".encode())
                status = await way._head()
        except (OSError, TimeoutError, EOFError) as error:
            way.abort()
            raise Ended(None) from error
        if status != 200:
            way.abort()
            if status != REFUSED:
                raise Broken("refused", f"an event stream was answered with {status}")
            raise Ended(REFUSED)
        return way

    async def receive(self) -> Message:
        name = None
        while True:
            try:
                line = await self._line()
            except (OSError, EOFError):
                raise Ended(None) from None
            field, _, value = line.partition(b": ")
            if field == b"id":
                name = value.decode()
            elif field == b"data":
                message: Message = orjson.loads(value)
                moves = message["type"] in {"entry", "delete", "liveblog"}
                if moves != (name is not None) or (name is not None and not name.endswith(f"-{message['seq']}")):
                    raise Broken("mixed", f"an event of id {name} with {message['type']} {message.get('seq')}")
                return message

    async def close(self) -> None:
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()

    def abort(self) -> None:
        self._writer.transport.abort()

    async def _head(self) -> int:
        status = int((await self._line()).split(b" ")[1])
        while line := await self._line():
            if line.lower().startswith(b"transfer-encoding"):
                raise Broken("mixed", "an event stream in chunks: the connection wasn't handed over")
        return status

    async def _line(self) -> bytes:
        # Not `readline`: a line may be longer than the buffer that makes us notice what isn't read.
        parts = []
        while True:
            try:
                parts.append(await self._reader.readuntil(b"\n"))
                return b"".join(parts).rstrip(b"\r\n")
            except asyncio.LimitOverrunError as error:
                parts.append(await self._reader.readexactly(error.consumed))


async def _socket(port: int) -> socket.socket:
    sock = socket.socket()
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
    except OSError as error:
        sock.close()
        raise Ended(None) from error
    return sock
