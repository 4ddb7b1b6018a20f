"""A WebSocket connection that reads only as fast as a throttle permits: the rest waits at the server.

The library parses all data of the socket at once: a quarter of a megabyte, which can be a hundred thousand frames. And
it handles pings even if nobody reads the messages. Here its parser gets a few kilobytes in each turn of the event loop:
none while messages wait to be read, and none before pings and fragments are paid for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from websockets.asyncio.client import ClientConnection
from websockets.frames import Frame, Opcode

if TYPE_CHECKING:
    import asyncio

    from liveserver.utils.limits.rate_limiter import Throttle

MESSAGES = frozenset({Opcode.TEXT, Opcode.BINARY})
"""Frames that begin a message: the reader of the message pays for them. Every other frame is paid for here."""

SLICE = 2 * 1024
"""Bytes that are parsed in one turn of the event loop: at most a thousand frames, some 15 ms."""


class ThrottledConnection(ClientConnection):
    """A client's connection with a throttle, which each frame that begins no message is charged to.

    A ping takes as long to parse as a message, and so does a fragment, even an empty one. liveserver sends each message
    in one frame; a proxy that divides them makes fragments of kilobytes.
    """

    def __init__(self, *args: Any, throttle: Throttle, **options: Any) -> None:
        super().__init__(*args, **options)
        self._throttle = throttle
        self._unread = bytearray()
        self._full = False
        """True while as many messages wait to be read as may."""
        self._unpaid = 0
        """Frames since the last slice that began no message."""
        self._next: asyncio.Handle | None = None
        """The scheduled call for the next slice."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, and be told when messages wait to be read."""
        super().connection_made(transport)
        self.recv_messages.pause = self._pause
        self.recv_messages.resume = self._resume

    def connection_lost(self, exc: Exception | None) -> None:
        """End, and drop the data that wasn't parsed."""
        if self._next is not None:
            self._next.cancel()
        self._unread.clear()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse a slice of the data now, and the rest in later turns."""
        self._unread += data
        if self._next is None:
            self._go_on()

    def process_event(self, event: Any) -> None:
        """Count a frame that no reader pays for, and handle it."""
        if isinstance(event, Frame) and event.opcode not in MESSAGES:
            self._unpaid += 1
        super().process_event(event)

    def _go_on(self) -> None:
        self._next = None
        wait = 0.0
        if self._unread and not self._full:
            data = bytes(self._unread[:SLICE])
            del self._unread[:SLICE]
            super().data_received(data)
            wait = self._throttle.spend(self._unpaid) if self._unpaid else 0.0
            self._unpaid = 0
            if self.protocol.parser_exc is not None:
                # The server was told why. We don't wait for more of its data.
                self.transport.abort()
        if self.transport.is_closing():
            return
        if wait or (self._unread and not self._full):
            self.transport.pause_reading()
            self._next = self.loop.call_later(wait, self._go_on)
        elif not self._full:
            self.transport.resume_reading()

    def _pause(self) -> None:
        self._full = True
        self.transport.pause_reading()

    def _resume(self) -> None:
        self._full = False
        if self._next is None:
            self._next = self.loop.call_soon(self._go_on)
