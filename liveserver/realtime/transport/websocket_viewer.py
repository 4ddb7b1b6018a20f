"""Viewers on WebSockets. They get each message as a text message, either plain or deflated (RFC 7692)."""

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
"""Seconds for which a viewer's frame, or message in fragments, may be incomplete. That is enough for small messages.

After this time, the connection is ended.
"""

PING = WebSocketFrame(Opcode.PING, b"").serialize(mask=False)


class WebSocketViewer(SocketViewer):
    """A viewer on a WebSocket that gets plain text messages.

    It has a parser only while its data is handled, or while a message in fragments is incomplete.
    """

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
        """The first bytes of a frame that hasn't come completely yet."""
        self._parser: ServerProtocol | None = None
        """The parser of a message in fragments that isn't complete; None if there is no such message."""
        self.slot = 0
        if interval:
            wheel.add(self, interval)

    @staticmethod
    def encoded(frame: Frame) -> bytes:
        """Return the message as a WebSocket text frame."""
        return frame.ws

    def close(self, code: int) -> None:
        """End the connection with a close frame, which is sent after the messages that were written."""
        if self._state is not State.CLOSED:
            self.open()
            self._ended()
            self._send_close(code)
            self._close_when_read()

    def due(self) -> int | None:
        """Ping the viewer. If no data came since the last ping, end the connection instead.

        Called by the timer wheel. Does nothing while the viewer lags. Returns the seconds until the next call; None for
        no more calls.
        """
        if self._state is State.CLOSED:
            return None
        if self._state is State.FOLLOWING:
            if self._silent:
                self._send(close_frame(close_codes.CLOSE_NO_PONG))
                self._ended()
                # A peer that is gone acknowledges nothing, so we don't wait until the buffers are empty.
                self._transport.abort()
                return None
            self._silent = True
            self._send(PING)
        return self._interval

    def data_received(self, data: bytes) -> None:
        """Handle data from the viewer: pongs, pings, a close, and short text messages. Other messages are ignored.

        If the viewer exceeds its budget (`viewer_budget.py`), or a message has more than INBOUND_MAX bytes, the
        connection is ended.
        """
        self._silent = False
        if self._state is State.CLOSED:
            self._came_late(len(data))
            return
        self.open()
        # Reading a single byte costs about as much as a frame. If the viewer sends too much, none of it is parsed.
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
        """End the lag, so that the hub sends the missed changes. Called by the transport when it has drained."""
        # A viewer that reads is alive. Its pong may be among the data that we didn't read while it lagged.
        self._silent = False
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Report to the hub that the connection has ended, and ping no more."""
        self._wheel.discard(self)
        super().connection_lost(exc)

    def extensions(self) -> list[PerMessageDeflate]:
        """Return the WebSocket extensions with which the parser must decode the viewer's frames: none."""
        return []

    def _parse(self, data: bytes) -> bool:
        """Handle complete frames from the viewer. Returns False if these frames have ended the connection."""
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
            # The replies may wait in the transport, half written. Later messages mustn't overtake them.
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
        """Start the timer if a frame or message is incomplete; otherwise stop it. The timer ends the connection."""
        if not self._held and self._parser is None:
            self._cancel_timer()
        elif self._patience is None:
            self._patience = asyncio.get_running_loop().call_later(UNFINISHED_SECONDS, self._unfinished)

    def _unfinished(self) -> None:
        self._patience = None
        if self._state is State.LAGGING:
            # The rest of the frame may have come, but we don't read while the viewer lags.
            self._finish_in_time()
        else:
            self._dismiss()

    def _send_close(self, code: int) -> None:
        self._transport.write(close_frame(code))

    def _ended(self) -> None:
        super()._ended()
        self._held, self._parser = b"", None


class DeflatedViewer(WebSocketViewer):
    """A viewer on a WebSocket that gets deflated text messages.

    It has agreed on permessage-deflate without context takeover, so that one deflated message serves all such viewers.
    """

    __slots__ = ()

    @staticmethod
    def encoded(frame: Frame) -> bytes:
        """Return the message as a deflated WebSocket text frame."""
        return frame.ws_deflated

    def extensions(self) -> list[PerMessageDeflate]:
        """Return the WebSocket extensions with which the parser must decode the viewer's frames: permessage-deflate."""
        return [deflate_extension()]


def whole_frames(data: bytes) -> tuple[int, int]:
    """Return how many bytes at the start of `data` are complete frames (RFC 6455, 5.2), and the number of these frames.

    If a frame's head says that its payload has more than INBOUND_MAX bytes, the frame and all bytes after it count as
    one complete frame. The parser needs only the head to refuse the frame.
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
    """Return True if the head of the first frame in `data` says that the payload has more than INBOUND_MAX bytes."""
    sizes = _sizes(data, 0)
    return sizes is not None and sizes[1] > messages.INBOUND_MAX


def _sizes(data: bytes, start: int) -> tuple[int, int] | None:
    """Return the lengths in bytes of a frame's head and of its payload; None if the head isn't complete.

    `start`: the index in `data` where the frame begins.
    """
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
