"""A viewer at rest: a transport, a socket, and a place in the hub. A connection becomes this after the hand-over.

There is no task, no queue and no parser for it. What the hub sends are bytes that all viewers of an encoding share.
While nothing waits in the transport they go straight to the socket, to hundreds in one call
(`realtime/transport/batch_send.py`); otherwise through the transport, which keeps the order. Nothing here knows which
server accepted the connection.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from array import array
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Protocol, cast

from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame as WebSocketFrame
from websockets.frames import Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from liveserver.protocol import close_codes, messages
from liveserver.realtime.transport import viewer_budget
from liveserver.realtime.transport.batch_send import send_all
from liveserver.realtime.transport.message_reader import close_frame
from liveserver.realtime.viewer import Viewer, ViewerBatch
from liveserver.utils.limits.refusals import Reason, refusals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from liveserver.protocol.frames import Frame
    from liveserver.realtime.transport.timer_wheel import TimerWheel
    from liveserver.realtime.viewer import ViewerSet


LAST_SECONDS = 1.0
"""How long a viewer may take at the server's end to read what waits for it."""

LINGER = 5.0
"""Seconds after which a viewer that was told of the end, and hasn't gone, is cut off."""

LATE_FRAMES = 240
"""The weight, in frames (`realtime/transport/viewer_budget.py`), of what is still read after that, and thrown away: 64
KB.

That much may be under way from one that hasn't seen its end yet. Of what comes beyond nothing is read: it waits in the
kernel, which takes no more when its buffer is full.
"""

UNFINISHED_SECONDS = 10.0
"""How long a viewer may be amid a frame, or a message in fragments: they are small, and arrive in one or two pieces."""

INDIRECT = -1
"""In the place of a descriptor: everything goes through the transport."""

PING = WebSocketFrame(Opcode.PING, b"").serialize(mask=False)


class ViewerEvents(Protocol):
    """Whoever writes to viewers, and hears of them: from the event loop, never from within `write` or `close`."""

    def writable(self, viewer: Viewer, /) -> None:
        """The viewer had refused a message, and can be written to again."""

    def said(self, viewer: Viewer, message: bytes, /) -> None:
        """The viewer sent a short text message."""

    def asked(self) -> int:
        """How many answers each viewer was asked for, of late: it may say so much more."""

    def gone(self, viewer: Viewer, /) -> None:
        """The viewer's connection has ended."""


class State(Enum):
    """What a viewer is doing."""

    FOLLOWING = auto()
    LAGGING = auto()
    """Its transport holds more than the high-water mark: nothing more is written until it has drained."""
    CLOSED = auto()
    """Its connection is ending, or has ended."""


class SocketBatch(ViewerBatch):
    """Viewers whose descriptors stand together: while all of them may be written to directly, no viewer is touched."""

    __slots__ = ("_descriptors", "_indirect")

    def __init__(self, viewer_set: ViewerSet, kind: type[Viewer]) -> None:
        super().__init__(viewer_set, kind)
        self._descriptors = array("i")
        self._indirect = 0

    def add(self, viewer: Viewer) -> None:
        """See Row."""
        super().add(viewer)
        descriptor = cast("SocketViewer", viewer)._descriptor
        self._descriptors.append(descriptor)
        self._indirect += descriptor == INDIRECT

    def discard(self, viewer: Viewer) -> None:
        """See Row."""
        self._indirect -= self._descriptors[viewer.index] == INDIRECT
        self._descriptors[viewer.index] = self._descriptors[-1]
        self._descriptors.pop()
        super().discard(viewer)

    def turn(self, index: int, descriptor: int) -> None:
        """What is written to the viewer at that place goes another way."""
        self._indirect += (descriptor == INDIRECT) - (self._descriptors[index] == INDIRECT)
        self._descriptors[index] = descriptor

    def write(self, frames: Sequence[Frame]) -> list[tuple[Viewer, int]]:
        """See Row."""
        if self._indirect:
            return super().write(frames)
        data = cast("type[SocketViewer]", self.kind).joined(frames)
        for index, sent in send_all(self._descriptors, data):
            cast("SocketViewer", self.viewers[index])._unsent(data, sent)
        return []


class SocketViewer(asyncio.Protocol, Viewer):
    """What viewers of every encoding have in common. It is a `Viewer` for the hub and the transport's protocol."""

    __slots__ = ("_connections", "_descriptor", "_events", "_opening", "_patience", "_spent", "_state", "_transport")

    row_type = SocketBatch

    def __init__(
        self, transport: asyncio.Transport, events: ViewerEvents, connections: set[Any], opening: bytes = b""
    ) -> None:
        Viewer.__init__(self)
        self._transport = transport
        self._events = events
        self._connections = connections
        self._state = State.FOLLOWING
        self._descriptor = INDIRECT
        """The socket's, while what is written may pass the transport by. Not yet: the answer may still wait there.

        Its row has it too (`_turn`).
        """
        self._opening = opening
        """The answer that opens the connection. It waits for the first message, to save a write and a wake-up."""
        self._spent = 0.0
        """Until when what it has said takes up (`realtime/transport/viewer_budget.py`)."""
        self._patience: asyncio.TimerHandle | None = None
        """Runs while it is amid a frame or a message, and while it was told of the end and hasn't gone."""
        connections.add(self)
        transport.set_protocol(self)
        if opening:
            asyncio.get_running_loop().call_soon(self.open)

    @staticmethod
    @abstractmethod
    def encoded(frame: Frame) -> bytes:
        """The message as these viewers get it."""

    def write(self, frame: Frame) -> bool:
        """Write one message; False while the viewer lags."""
        return self._send(self.encoded(frame))

    @classmethod
    def joined(cls, frames: Sequence[Frame]) -> bytes:
        """Messages as these viewers get them together."""
        return b"".join([cls.encoded(frame) for frame in frames])

    @classmethod
    def write_all(cls, viewers: Sequence[Viewer], frames: Sequence[Frame]) -> list[tuple[Viewer, int]]:
        """Write messages to many; who lags took none of them."""
        data = cls.joined(frames)
        ours = cast("Sequence[SocketViewer]", viewers)
        direct = [viewer for viewer in ours if viewer._descriptor != INDIRECT]
        descriptors = array("i", [viewer._descriptor for viewer in direct])
        lagging: list[tuple[Viewer, int]] = [
            (viewer, 0) for viewer in ours if viewer._descriptor == INDIRECT and not viewer._send(data)
        ]
        for index, sent in send_all(descriptors, data):
            direct[index]._unsent(data, sent)
        return lagging

    def open(self) -> None:
        """Send the answer that opens the connection, if it hasn't gone with the first message."""
        if self._opening:
            opening, self._opening = self._opening, b""
            self._transport.write(opening)

    def shutdown(self) -> None:
        """The server ends (uvicorn calls this)."""
        self.close(close_codes.CLOSE_RESTART)
        # A transport that closes waits until what it holds was read; one that doesn't read must not hold up the end.
        asyncio.get_running_loop().call_later(LAST_SECONDS, self._transport.abort)

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
            self._events.writable(self)

    def eof_received(self) -> None:
        """The viewer has nothing more to say: the transport closes."""

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended."""
        self._ended()
        self._wait_no_more()
        self._connections.discard(self)
        self._events.gone(self)

    def _send(self, data: bytes) -> bool:
        if self._state is not State.FOLLOWING:
            return self._state is State.CLOSED
        if self._opening:
            data, self._opening = self._opening + data, b""
        if self._descriptor == INDIRECT:
            # Under TLS the socket's bytes are not ours to write.
            if self._transport.get_extra_info("sslcontext") is not None or self._transport.get_write_buffer_size():
                self._transport.write(data)
                return True
            self._turn(self._transport.get_extra_info("socket").fileno())
        for _, sent in send_all(array("i", [self._descriptor]), data):
            self._unsent(data, sent)
        return True

    def _turn(self, descriptor: int) -> None:
        """What is written goes to that descriptor from now on; INDIRECT: through the transport."""
        self._descriptor = descriptor
        if self.row is not None:
            cast("SocketBatch", self.row).turn(self.index, descriptor)

    def _unsent(self, data: bytes, sent: int) -> None:
        """The socket took so many bytes, or answered with a negative errno: leave the rest to the transport.

        So too what follows, until the transport is empty again. If the peer is gone, the transport finds out.
        """
        self._turn(INDIRECT)
        self._transport.write(memoryview(data)[max(sent, 0) :])

    def _ended(self) -> None:
        """Nothing more is written."""
        self._state = State.CLOSED
        self._turn(INDIRECT)
        self._opening = b""

    def _affords(self, frames: float) -> bool:
        """Take frames of that weight from what it may say; False if that is more than is left."""
        now = asyncio.get_running_loop().time()
        self._spent = until = viewer_budget.spent(self._spent, now, frames)
        return viewer_budget.allowed(until, now) or viewer_budget.allowed(until, now, self._events.asked())

    def _dismiss(self, code: int = close_codes.CLOSE_TOO_TALKATIVE) -> None:
        """End it for what it says: too much, or nothing whole."""
        peer = self._transport.get_extra_info("peername")
        refusals.note(Reason.TOO_TALKATIVE, address=peer[0] if peer else None)
        self.open()
        self._ended()
        self._say(code)
        self._hang_up()

    def _say(self, code: int) -> None:
        """Tell it why it ends, in an encoding that has words for that."""

    def _part(self) -> None:
        """End the connection when the peer has taken what waits for it, which it must do in a while."""
        self._wait_no_more()
        self._transport.close()
        if self._transport.get_write_buffer_size():
            self._patience = asyncio.get_running_loop().call_later(LINGER, self._transport.abort)

    def _hang_up(self) -> None:
        """End the connection, of which the peer may still be sending."""
        self._wait_no_more()
        self._spent = 0.0
        if not self._transport.is_reading():
            # It lagged. That it goes is to be seen.
            self._transport.resume_reading()
        self._patience = hang_up(self._transport, LINGER)

    def _came_late(self, size: int) -> None:
        """So many bytes came after the end: don't read on for ever."""
        now = asyncio.get_running_loop().time()
        self._spent = viewer_budget.spent(self._spent, now, viewer_budget.weight(1, size))
        if not viewer_budget.allowed(self._spent, now, LATE_FRAMES) and not self._transport.is_closing():
            self._transport.pause_reading()

    def _wait_no_more(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None


class EventStreamViewer(SocketViewer):
    """A viewer of a text/event-stream whose end is the end of the connection."""

    __slots__ = ()

    @staticmethod
    def encoded(frame: Frame) -> bytes:
        """An event of a text/event-stream."""
        return frame.sse

    def close(self, code: int) -> None:
        """End the stream after what was written."""
        if self._state is not State.CLOSED:
            self.open()
            self._ended()
            self._part()

    def data_received(self, data: bytes) -> None:
        """An HTTP client has nothing to say while it is being answered."""
        if self._state is State.CLOSED:
            self._came_late(len(data))
        elif not self._affords(viewer_budget.weight(1, len(data))):
            self._dismiss()


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
        return [PerMessageDeflate(True, True, 15, 15)]


def hang_up(transport: asyncio.Transport, seconds: float) -> asyncio.TimerHandle:
    """End the connection to a peer that may still be sending, so that it sees what was written last.

    With bytes unread a socket isn't closed but reset (RFC 6455, 7.1.1): they are read on. The timer that is returned
    cuts off a peer that hasn't gone after so many seconds; cancel it when the connection is lost.
    """
    try:
        transport.write_eof()
    except (OSError, NotImplementedError):
        # It has gone already; or under TLS, which has no end of one direction.
        transport.close()
    return asyncio.get_running_loop().call_later(seconds, transport.abort)


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
