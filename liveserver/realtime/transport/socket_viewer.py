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

from liveserver.protocol import close_codes
from liveserver.realtime.transport import viewer_budget
from liveserver.realtime.transport.batch_send import send_all
from liveserver.realtime.transport.encrypted_transport import EncryptedTransport
from liveserver.realtime.viewer import Viewer, ViewerBatch
from liveserver.utils.limits.refusals import Reason, refusals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from liveserver.protocol.frames import Frame
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

INDIRECT = -1
"""In the place of a descriptor: everything goes through the transport."""


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
        """See ViewerBatch."""
        super().add(viewer)
        descriptor = cast("SocketViewer", viewer)._descriptor
        self._descriptors.append(descriptor)
        self._indirect += descriptor == INDIRECT

    def discard(self, viewer: Viewer) -> None:
        """See ViewerBatch."""
        self._indirect -= self._descriptors[viewer.index] == INDIRECT
        self._descriptors[viewer.index] = self._descriptors[-1]
        self._descriptors.pop()
        super().discard(viewer)

    def turn(self, index: int, descriptor: int) -> None:
        """What is written to the viewer at that place goes another way."""
        self._indirect += (descriptor == INDIRECT) - (self._descriptors[index] == INDIRECT)
        self._descriptors[index] = descriptor

    def write(self, frames: Sequence[Frame]) -> list[tuple[Viewer, int]]:
        """See ViewerBatch."""
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
        # Under TLS the socket's bytes are not ours to write.
        encrypted = transport.get_extra_info("sslcontext") is not None
        self._transport = EncryptedTransport(transport, self) if encrypted else transport
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
        if not encrypted:
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
            if isinstance(self._transport, EncryptedTransport) or self._transport.get_write_buffer_size():
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
