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
"""How long a viewer may be amid a frame, or a message in fragments: they are small, and arrive in one or two pieces."""

PING = WebSocketFrame(Opcode.PING, b"").serialize(mask=False)


class WebSocketViewer(SocketViewer):
    """A viewer of uncompressed text messages. What it sends is parsed only when it sends."""

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
        """Bytes of a frame that isn't complete."""
        self._parser: ServerProtocol | None = None
        """Kept only while a fragmented message is under way."""
        self.slot = 0
        if interval:
            wheel.add(self, interval)

    @staticmethod
    def encoded(frame: Frame) -> bytes:
        """A WebSocket text frame."""
        return frame.ws

    def close(self, code: int) -> None:
        """Send a close frame after what was written, and end."""
        if self._state is not State.CLOSED:
            self.open()
            self._ended()
            self._say(code)
            self._part()

    def due(self) -> int | None:
        """Ping it; end it if nothing has come since the last ping (the wheel calls this)."""
        if self._state is State.CLOSED:
            return None
        if self._state is State.FOLLOWING:
            if self._silent:
                self._send(close_frame(close_codes.CLOSE_NO_PONG))
                self._ended()
                # A peer that is gone acknowledges nothing: don't wait for what is still in the buffers.
                self._transport.abort()
                return None
            self._silent = True
            self._send(PING)
        return self._interval

    def data_received(self, data: bytes) -> None:
        """What the viewer says: pongs, pings, a close, a short text; anything else is read and forgotten."""
        self._silent = False
        if self._state is State.CLOSED:
            self._came_late(len(data))
            return
        self.open()
        # A read costs about as much as a frame, though it bring a single byte. Of what is too much nothing is parsed.
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

    def _parse(self, data: bytes) -> bool:
        """Heed whole frames; False if they have ended the connection."""
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
            # They may wait there, half written: what follows must not overtake them.
            self._turn(INDIRECT)
        if parser.state is OPEN:
            self._parser = None if parser.current_size is None else parser
            return True
        self._ended()
        if parser.parser_exc is None:
            self._part()
        else:
            self._hang_up()
        return False

    def _finish_in_time(self) -> None:
        """What was begun must be whole in a while."""
        if not self._held and self._parser is None:
            self._wait_no_more()
        elif self._patience is None:
            self._patience = asyncio.get_running_loop().call_later(UNFINISHED_SECONDS, self._unfinished)

    def _unfinished(self) -> None:
        self._patience = None
        if self._state is State.LAGGING:
            # The rest may have come, and isn't read meanwhile.
            self._finish_in_time()
        else:
            self._dismiss()

    def _say(self, code: int) -> None:
        self._transport.write(close_frame(code))

    def _ended(self) -> None:
        super()._ended()
        self._held, self._parser = b"", None


class DeflatedViewer(WebSocketViewer):
    """A viewer that negotiated permessage-deflate without context takeover."""

    __slots__ = ()

    @staticmethod
    def encoded(frame: Frame) -> bytes:
        """A WebSocket text frame, deflated."""
        return frame.ws_deflated

    def extensions(self) -> list[PerMessageDeflate]:
        """What the parser must undo."""
        return [deflate_extension()]


def whole_frames(data: bytes) -> tuple[int, int]:
    """How many of the bytes make up whole frames (RFC 6455, 5.2), and how many frames these are.

    A frame that says it is too large counts as whole at once: the parser refuses it by its head.
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
    """Whether the first frame says by its head that it is."""
    sizes = _sizes(data, 0)
    return sizes is not None and sizes[1] > messages.INBOUND_MAX


def _sizes(data: bytes, start: int) -> tuple[int, int] | None:
    """The bytes of a frame's head, and of what follows it; None if the head doesn't say so yet."""
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
