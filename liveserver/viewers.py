"""A viewer at rest: a transport, a descriptor, and a place in the hub. A connection becomes this after the hand-over.

There is no task, no queue and no parser for it. What the hub sends are bytes that all viewers of an encoding share.
While nothing waits in the transport they go straight to the socket, which saves the transport's bookkeeping for each
write; otherwise through the transport, which keeps the order. Nothing here knows which server accepted the connection.
"""

from __future__ import annotations

import asyncio
import os
from abc import ABC, abstractmethod
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Protocol

from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Close, Opcode
from websockets.frames import Frame as WebSocketFrame
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from liveserver import wire

if TYPE_CHECKING:
    from liveserver.channel import Sink
    from liveserver.frames import Frame
    from liveserver.keepalive import Wheel


PING = WebSocketFrame(Opcode.PING, b"").serialize(mask=False)


class Audience(Protocol):
    """Whoever writes to viewers, and hears of them: from the event loop, never from within `write` or `close`."""

    def drained(self, sink: Sink, /) -> None:
        """The viewer had refused a message, and can be written to again."""

    def gone(self, sink: Sink, /) -> None:
        """The viewer's connection has ended."""


class State(Enum):
    """What a viewer is doing."""

    FOLLOWING = auto()
    LAGGING = auto()
    """Its transport holds more than the high-water mark: nothing more is written until it has drained."""
    CLOSED = auto()
    """Its connection is ending, or has ended."""


class Viewer(asyncio.Protocol, ABC):
    """What viewers of every encoding have in common. It is a `Sink` for the hub and the transport's protocol."""

    __slots__ = ("_audience", "_connections", "_descriptor", "_pending", "_state", "_transport")

    def __init__(self, transport: asyncio.Transport, audience: Audience, connections: set[Any]) -> None:
        self._transport = transport
        self._audience = audience
        self._connections = connections
        self._state = State.FOLLOWING
        # Under TLS the socket's bytes are not ours to write.
        raw = transport.get_extra_info("sslcontext") is None
        self._descriptor: int = transport.get_extra_info("socket").fileno() if raw else -1
        # The answer that opened the connection may still wait there.
        self._pending = True
        connections.add(self)
        transport.set_protocol(self)

    @abstractmethod
    def write(self, frame: Frame) -> bool:
        """Write one message; False while the viewer lags."""

    @abstractmethod
    def close(self, code: int) -> None:
        """End the connection after what was written."""

    def shutdown(self) -> None:
        """The server ends (uvicorn calls this)."""
        self.close(wire.CLOSE_RESTART)

    def pause_writing(self) -> None:
        """The transport holds more than its high-water mark."""
        if self._state is State.FOLLOWING:
            self._state = State.LAGGING
            # What a viewer asks for (pongs) would only add to what waits.
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """The transport has drained."""
        if self._state is State.LAGGING:
            self._state = State.FOLLOWING
            self._transport.resume_reading()
            self._audience.drained(self)

    def eof_received(self) -> None:
        """The viewer has nothing more to say: the transport closes."""

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended."""
        self._state = State.CLOSED
        self._connections.discard(self)
        self._audience.gone(self)

    def _send(self, data: bytes) -> bool:
        if self._state is not State.FOLLOWING:
            return self._state is State.CLOSED
        if self._pending or self._descriptor < 0:
            if self._descriptor < 0 or self._transport.get_write_buffer_size():
                self._transport.write(data)
                return True
            self._pending = False
        try:
            sent = os.write(self._descriptor, data)
        except BlockingIOError:
            sent = 0
        except OSError:
            # The peer is gone; the transport will notice by itself and call connection_lost.
            return True
        if sent != len(data):
            self._pending = True
            self._transport.write(memoryview(data)[sent:])
        return True


class EventStreamViewer(Viewer):
    """A viewer of a text/event-stream whose end is the end of the connection."""

    __slots__ = ()

    def write(self, frame: Frame) -> bool:
        """Write one event; False while the viewer lags."""
        return self._send(frame.sse)

    def close(self, code: int) -> None:
        """End the stream after what was written."""
        if self._state is not State.CLOSED:
            self._state = State.CLOSED
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        """An HTTP client has nothing to say while it is being answered."""


class WebSocketViewer(Viewer):
    """A viewer of uncompressed text messages. What it sends is parsed only when it sends."""

    __slots__ = ("_held", "_interval", "_parser", "_silent", "_wheel", "slot")

    def __init__(
        self, transport: asyncio.Transport, audience: Audience, connections: set[Any], wheel: Wheel, interval: int
    ) -> None:
        super().__init__(transport, audience, connections)
        self._wheel = wheel
        self._interval = interval
        self._silent = False
        self._held = b""
        """Bytes of a frame that isn't complete."""
        self._parser: ServerProtocol | None = None
        """Kept only while a fragmented message is under way."""
        self.slot = 0
        if interval:
            wheel.add(self, interval)

    def write(self, frame: Frame) -> bool:
        """Write one message; False while the viewer lags."""
        return self._send(frame.ws)

    def close(self, code: int) -> None:
        """Send a close frame after what was written, and end."""
        if self._state is not State.CLOSED:
            self._state = State.CLOSED
            self._transport.write(_close_frame(code))
            self._transport.close()

    def due(self) -> int | None:
        """Ping it; end it if nothing has come since the last ping (the wheel calls this)."""
        if self._state is State.CLOSED:
            return None
        if self._state is State.FOLLOWING:
            if self._silent:
                self._send(_close_frame(wire.CLOSE_NO_PONG))
                self._state = State.CLOSED
                # A peer that is gone acknowledges nothing: don't wait for what is still in the buffers.
                self._transport.abort()
                return None
            self._silent = True
            self._send(PING)
        return self._interval

    def data_received(self, data: bytes) -> None:
        """What the viewer says: pongs, pings, a close; anything else is read and forgotten."""
        self._silent = False
        if self._state is State.CLOSED:
            return
        data = self._held + data if self._held else data
        end = whole_frames(data)
        self._held = data[end:]
        if end:
            self._parse(data[:end])

    def resume_writing(self) -> None:
        """The transport has drained."""
        # Who takes what waited is alive; its pong may be in what was not read meanwhile.
        self._silent = False
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended."""
        self._wheel.discard(self)
        super().connection_lost(exc)

    def extensions(self) -> list[PerMessageDeflate]:
        """What the parser must undo."""
        return []

    def _parse(self, data: bytes) -> None:
        parser = self._parser
        if parser is None:
            parser = ServerProtocol(state=OPEN, max_size=wire.INBOUND_MAX)
            parser.extensions = list(self.extensions())
        parser.receive_data(data)
        parser.events_received()
        for reply in parser.data_to_send():
            if reply:
                self._transport.write(reply)
                # It may wait there, half written: what follows must not overtake it.
                self._pending = True
        if parser.state is not OPEN:
            self._state = State.CLOSED
            self._parser = None
            self._transport.close()
        else:
            self._parser = None if parser.current_size is None else parser


class DeflatedViewer(WebSocketViewer):
    """A viewer that negotiated permessage-deflate without context takeover."""

    __slots__ = ()

    def write(self, frame: Frame) -> bool:
        """Write one message; False while the viewer lags."""
        return self._send(frame.ws_deflated)

    def extensions(self) -> list[PerMessageDeflate]:
        """What the parser must undo."""
        return [PerMessageDeflate(True, True, 15, 15)]


def _close_frame(code: int) -> bytes:
    return WebSocketFrame(Opcode.CLOSE, Close(code, "").serialize()).serialize(mask=False)


def whole_frames(data: bytes) -> int:
    """How many of the bytes make up whole frames (RFC 6455, 5.2).

    A frame that says it is too large counts as whole at once: the parser refuses it by its head.
    """
    end, size = 0, len(data)
    while size - end >= 2:
        length = data[end + 1] & 0x7F
        head = 2
        if length > 125:
            more = 2 if length == 126 else 8
            head += more
            if size - end < head:
                break
            length = int.from_bytes(data[end + 2 : end + head], "big")
        if data[end + 1] & 0x80:
            head += 4
        if length > wire.INBOUND_MAX:
            return size
        if size - end < head + length:
            break
        end += head + length
    return end
