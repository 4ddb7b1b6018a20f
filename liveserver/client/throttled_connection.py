"""A WebSocket connection that reads only as fast as a throttle permits. Data that isn't read yet waits at the server.

The library `websockets` parses all data that has come from the socket at once: up to a quarter of a megabyte, which can
be a hundred thousand frames. The library also handles pings while nobody reads messages. This connection gives
the library's parser a few kilobytes in each turn of the event loop. It gives the parser nothing while too many messages
wait to be read, and nothing before the throttle permits the pings and fragments that came before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from websockets.asyncio.client import ClientConnection
from websockets.frames import Frame, Opcode

if TYPE_CHECKING:
    import asyncio

    from liveserver.utils.limits.rate_limiter import Throttle

MESSAGES = frozenset({Opcode.TEXT, Opcode.BINARY})
"""The types of frames that begin a message. For these, the code that reads the message charges the throttle. For all
other frames, the connection charges it."""

SLICE = 2 * 1024
"""The greatest number of bytes that are parsed in one turn of the event loop. They contain at most a thousand frames.
Parsing so many frames takes some 15 ms."""


class ThrottledConnection(ClientConnection):
    """A client's connection that charges its throttle for each frame that doesn't begin a message.

    A ping takes as long to parse as a message, and so does a fragment, even an empty one. The charge hardly slows an
    honest server down: a liveserver sends each message in one frame, and if a proxy divides messages, each fragment has
    kilobytes.
    """

    def __init__(self, *args: Any, throttle: Throttle, **options: Any) -> None:
        super().__init__(*args, **options)
        self._throttle = throttle
        self._unread = bytearray()
        self._full = False
        """True while the queue of unread messages is full. Then no more data is parsed."""
        self._unpaid = 0
        """How many frames that don't begin a message were parsed since the throttle was last charged."""
        self._next: asyncio.Handle | None = None
        """The scheduled call that parses the next slice; None if none is scheduled."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the connection. Have the library's queue of messages call `_pause` when it is full, and `_resume` when
        it has room again."""
        super().connection_made(transport)
        self.recv_messages.pause = self._pause
        self.recv_messages.resume = self._resume

    def connection_lost(self, exc: Exception | None) -> None:
        """End the connection, and drop the data that wasn't parsed yet."""
        if self._next is not None:
            self._next.cancel()
        self._unread.clear()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Add data from the server to the data that isn't parsed yet. Parse the first slice now, unless a call that
        does so is scheduled. The other slices are parsed in later turns of the event loop."""
        self._unread += data
        if self._next is None:
            self._go_on()

    def process_event(self, event: Any) -> None:
        """Handle a frame. If it doesn't begin a message, count it, so that the throttle is charged for it."""
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
                # The server broke the protocol, and our close frame told it so. We don't wait for more of its data.
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
