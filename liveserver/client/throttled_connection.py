"""A WebSocket connection that reads no more than its server may send: the rest waits there.

The protocol's parser takes whatever the socket holds in one go, a quarter of a megabyte, which can be a hundred
thousand frames; and pings never wait for whoever reads the messages. Here it gets a few kilobytes in each turn of the
event loop, none while messages wait to be read, and none before its pings and fragments are paid for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from websockets.asyncio.client import ClientConnection
from websockets.frames import Frame, Opcode

if TYPE_CHECKING:
    import asyncio

    from liveserver.utils.limits.rate_limiter import Throttle

MESSAGES = frozenset({Opcode.TEXT, Opcode.BINARY})
"""Frames with which a message begins: whoever reads the message pays for it. Every other frame is paid for here."""

SLICE = 2 * 1024
"""Bytes that are parsed in a turn: a thousand frames at most, some 15 ms."""


class ThrottledConnection(ClientConnection):
    """A client's connection. `throttle`: what its server may send; each frame that begins no message takes one of it.

    A ping costs as much to parse as a message, and so does a fragment, be it empty. liveserver's own messages come in
    one frame each; a proxy that cuts them up does so by kilobytes.
    """

    def __init__(self, *args: Any, throttle: Throttle, **options: Any) -> None:
        super().__init__(*args, **options)
        self._throttle = throttle
        self._unread = bytearray()
        self._full = False
        """As many messages wait to be read as may."""
        self._unpaid = 0
        """Frames since the last slice that begin no message."""
        self._next: asyncio.Handle | None = None
        """The next slice's turn."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        super().connection_made(transport)
        self.recv_messages.pause = self._pause
        self.recv_messages.resume = self._resume

    def connection_lost(self, exc: Exception | None) -> None:
        """End; what wasn't parsed is lost."""
        if self._next is not None:
            self._next.cancel()
        self._unread.clear()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse some of it now, and the rest in the next turns."""
        self._unread += data
        if self._next is None:
            self._go_on()

    def process_event(self, event: Any) -> None:
        """Count what no reader pays for."""
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
                # It was told why. What else it sends isn't waited for.
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
