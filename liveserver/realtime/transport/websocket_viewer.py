"""Viewers of WebSocket text messages, as they are or deflated (RFC 7692)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from websockets.frames import Frame as WebSocketFrame
from websockets.frames import Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from liveserver.protocol import close_codes, messages
from liveserver.protocol.frames import deflate_extension
from liveserver.realtime.transport import viewer_budget
from liveserver.realtime.transport.socket_viewer import INDIRECT, SocketViewer, State, ViewerEvents
from liveserver.realtime.transport.websocket.message_reader import close_frame

if TYPE_CHECKING:
    from websockets.extensions.permessage_deflate import PerMessageDeflate

    from liveserver.protocol.frames import Frame
    from liveserver.realtime.transport.timer_wheel import TimerWheel

UNFINISHED_SECONDS = 10.0
"""Seconds in which a frame, or a message in fragments, must be complete: they are small, and come in few pieces."""

PING = WebSocketFrame(Opcode.PING, b"").serialize(mask=False)


class WebSocketViewer(SocketViewer):
    """A viewer of uncompressed text messages. A parser exists only while the viewer sends."""

    __slots__ = ("_held", "_interval", "_parser", "_silent", "_wheel", "slot")

    def __init__(
        self,
        transport: asyncio.Transport,
        events: ViewerEvents,
        connections: set[Any],
        wheel: TimerWheel,
        interval: int,
        opening: bytes = b"",
    ) -> None:
        super().__init__(transport, events, connections, opening)
        self._wheel = wheel
        self._interval = interval
        self._silent = False
        self._held = b""
        """The bytes so far of a frame that isn't complete."""
        self._parser: ServerProtocol | None = None
        """The parser, kept only while a fragmented message is under way."""
        self.slot = 0
        if interval:
            wheel.add(self, interval)

    @staticmethod
    def encoded(frame: Frame) -> bytes:
        """Return the message as a WebSocket text frame."""
        return frame.ws

    def close(self, code: int) -> None:
        """End the connection with a close frame, after the messages that were written."""
        if self._state is not State.CLOSED:
            self.open()
            self._ended()
            self._send_close(code)
            self._close_when_read()

    def due(self) -> int | None:
        """Ping the viewer; end the connection if nothing came since the last ping. The timer wheel calls this.

        Returns seconds until the next call; None if there is none.
        """
        if self._state is State.CLOSED:
            return None
        if self._state is State.FOLLOWING:
            if self._silent:
                self._send(close_frame(close_codes.CLOSE_NO_PONG))
                self._ended()
                # A peer that is gone acknowledges nothing: don't wait until the buffers are empty.
                self._transport.abort()
                return None
            self._silent = True
            self._send(PING)
        return self._interval

    def data_received(self, data: bytes) -> None:
        """Take data from the viewer: pongs, pings, a close, a short text. Anything else is read and ignored."""
        self._silent = False
        if self._state is State.CLOSED:
            self._came_late(len(data))
            return
        self.open()
        # A read of a single byte costs about as much as a frame. If there is too much, nothing of it is parsed.
        weight = viewer_budget.weight(1, len(data))
        data = self._held + data if self._held else data
        if not self._affords(weight):
            self._dismiss(close_codes.CLOSE_TOO_BIG if says_too_large(data) else close_codes.CLOSE_TOO_TALKATIVE)
            return
        end, frames = whole_frames(data)
        if frames > weight and not self._affords(frames - weight):
            self._dismiss()
            return
        self._held = data[end:]
        if end and not self._parse(data[:end]):
            return
        self._finish_in_time()

    def resume_writing(self) -> None:
        """End the lag: the transport has drained."""
        # A viewer that reads is alive, even if its pong is in data that wasn't read while it lagged.
        self._silent = False
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Report that the connection has ended."""
        self._wheel.discard(self)
        super().connection_lost(exc)

    def extensions(self) -> list[PerMessageDeflate]:
        """Return the extensions that the parser must undo."""
        return []

    def _parse(self, data: bytes) -> bool:
        """Handle complete frames; False if they have ended the connection."""
        parser = self._parser
        if parser is None:
            parser = ServerProtocol(state=OPEN, max_size=messages.INBOUND_MAX)
            parser.extensions = list(self.extensions())
        parser.receive_data(data)
        for event in parser.events_received():
            assert isinstance(event, WebSocketFrame)
            if event.opcode is Opcode.TEXT and event.fin and len(event.data) <= messages.HEARD_MAX:
                self._events.said(self, bytes(event.data))
        if replies := b"".join(parser.data_to_send()):
            self._transport.write(replies)
            # They may wait in the transport, half written: later messages mustn't overtake them.
            self._redirect(INDIRECT)
        if parser.state is OPEN:
            self._parser = None if parser.current_size is None else parser
            return True
        self._ended()
        if parser.parser_exc is None:
            self._close_when_read()
        else:
            self._hang_up()
        return False

    def _finish_in_time(self) -> None:
        """Start a timer if a frame or message is incomplete; stop it if none is."""
        if not self._held and self._parser is None:
            self._cancel_timer()
        elif self._patience is None:
            self._patience = asyncio.get_running_loop().call_later(UNFINISHED_SECONDS, self._unfinished)

    def _unfinished(self) -> None:
        self._patience = None
        if self._state is State.LAGGING:
            # The rest may have come, but isn't read while the viewer lags.
            self._finish_in_time()
        else:
            self._dismiss()

    def _send_close(self, code: int) -> None:
        self._transport.write(close_frame(code))

    def _ended(self) -> None:
        super()._ended()
        self._held, self._parser = b"", None


class DeflatedViewer(WebSocketViewer):
    """A viewer that negotiated permessage-deflate without context takeover."""

    __slots__ = ()

    @staticmethod
    def encoded(frame: Frame) -> bytes:
        """Return the message as a deflated WebSocket text frame."""
        return frame.ws_deflated

    def extensions(self) -> list[PerMessageDeflate]:
        """Return the extensions that the parser must undo."""
        return [deflate_extension()]


def whole_frames(data: bytes) -> tuple[int, int]:
    """Return the number of bytes that make up complete frames (RFC 6455, 5.2), and the number of these frames.

    A frame whose head says that it is too large counts as complete at once: the parser refuses it by its head.
    """
    end, frames, size = 0, 0, len(data)
    while (sizes := _sizes(data, end)) is not None:
        head, length = sizes
        if length > messages.INBOUND_MAX:
            return size, frames + 1
        if size - end < head + length:
            break
        end += head + length
        frames += 1
    return end, frames


def says_too_large(data: bytes) -> bool:
    """True if the head of the first frame says that it is too large."""
    sizes = _sizes(data, 0)
    return sizes is not None and sizes[1] > messages.INBOUND_MAX


def _sizes(data: bytes, start: int) -> tuple[int, int] | None:
    """Return the bytes of a frame's head and of its payload; None if the head isn't complete."""
    if len(data) - start < 2:
        return None
    length = data[start + 1] & 0x7F
    head = 2
    if length > 125:
        head += 2 if length == 126 else 8
        if len(data) - start < head:
            return None
        length = int.from_bytes(data[start + 2 : start + head], "big")
    if data[start + 1] & 0x80:
        head += 4
    return head, length
