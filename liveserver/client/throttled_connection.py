"""A WebSocket connection that reads only as fast as a throttle permits. Data that isn't read yet waits at the server.

The library `websockets` parses all data from the socket in one step: up to a quarter of a megabyte, with up to a
hundred thousand frames. The library also answers pings while nobody reads messages. This connection gives the library's
parser a slice of at most 2 KiB in each turn of the event loop. The parser gets no data in two cases: too many messages
are unread, or the throttle doesn't yet permit the pings and fragments that are already parsed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from websockets.asyncio.client import ClientConnection
from websockets.frames import Frame, Opcode

if TYPE_CHECKING:
    import asyncio

    from liveserver.utils.limits.rate_limiter import Throttle

MESSAGES = frozenset({Opcode.TEXT, Opcode.BINARY})
"""The types of frames that begin a message. `Requests.read` has the throttle count each message. For all other frames,
the connection itself has the throttle count each frame."""

SLICE = 2 * 1024
"""The greatest number of bytes that are parsed in one turn of the event loop. These bytes contain at most a thousand
frames. Parsing a thousand frames takes about 15 ms."""


class ThrottledConnection(ClientConnection):
    """A client's connection. Its throttle counts not only messages, but also each frame that doesn't begin a message.

    Parsing a ping or a fragment takes as long as parsing a message, even if the fragment is empty. An honest server
    sends few such frames: a liveserver sends each message in one frame. If a proxy divides a message into fragments,
    each fragment has several kilobytes.
    """

    def __init__(self, *args: Any, throttle: Throttle, **options: Any) -> None:
        super().__init__(*args, **options)
        self._throttle = throttle
        self._unread = bytearray()
        self._full = False
        """True while the queue of unread messages is full. While it is full, no more data is parsed."""
        self._unpaid = 0
        """The number of parsed frames that the throttle must still count. Frames that begin a message aren't
        included."""
        self._next: asyncio.Handle | None = None
        """The scheduled call that parses the next slice; None if none is scheduled."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the connection. Have the library's queue of messages call `_pause` when it is full, and `_resume` when
        it can accept messages again."""
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
        """Add data from the server to the data that isn't parsed yet. If no call that parses a slice is scheduled, and
        the queue of unread messages isn't full, parse the first slice now. Later turns of the event loop parse the
        other slices."""
        self._unread += data
        if self._next is None:
            self._go_on()

    def process_event(self, event: Any) -> None:
        """Handle a frame. If the frame doesn't begin a message, note that the throttle has to count it."""
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
