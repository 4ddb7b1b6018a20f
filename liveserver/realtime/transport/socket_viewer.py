"""A viewer on a socket: a transport, a descriptor, and a place in a batch. A connection becomes this by its hand-over.

It has no task, no queue and no parser. The hub sends bytes that all viewers of an encoding share. While nothing waits
in the transport, they are written directly to the socket, to hundreds of sockets in one call
(`realtime/transport/batch_send.py`); otherwise they go through the transport, which keeps the order. Nothing here
depends on the server that accepted the connection.
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
"""Seconds that a viewer has to read its waiting messages when the server ends."""

LINGER = 5.0
"""Seconds that a peer has to go once its connection is ended, before it is cut off."""

LATE_FRAMES = 240
"""The weight, in frames (`realtime/transport/viewer_budget.py`), of data that is read and thrown away after the end of
a connection: 64 KB.

That much may be under way from a viewer that hasn't seen the end yet. More isn't read: it waits in the kernel, which
takes no more once its buffer is full.
"""

INDIRECT = -1
"""Stands in place of a descriptor if everything goes through the transport."""


class ViewerEvents(Protocol):
    """The receiver of a viewer's events. It is called on the event loop, never from within `write` or `close`."""

    def writable(self, viewer: Viewer, /) -> None:
        """Note that the viewer, which lagged, can be written to again."""

    def said(self, viewer: Viewer, message: bytes, /) -> None:
        """Take a short text message of the viewer."""

    def asked(self) -> int:
        """Return the number of answers that each viewer was asked for lately; it may send as many more messages."""

    def gone(self, viewer: Viewer, /) -> None:
        """Note that the viewer's connection has ended."""


class State(Enum):
    """The state of a viewer."""

    FOLLOWING = auto()
    LAGGING = auto()
    """The transport holds more than its high-water mark: nothing is written until it has drained."""
    CLOSED = auto()
    """The connection is ending, or has ended."""


class SocketBatch(ViewerBatch):
    """A batch with its viewers' descriptors in one array. If all can be written to directly, no viewer is touched."""

    __slots__ = ("_descriptors", "_indirect")

    def __init__(self, viewer_set: ViewerSet, viewer_class: type[Viewer]) -> None:
        super().__init__(viewer_set, viewer_class)
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

    def redirect(self, index: int, descriptor: int) -> None:
        """Change the descriptor of the viewer at an index (INDIRECT: its transport is written to)."""
        self._indirect += (descriptor == INDIRECT) - (self._descriptors[index] == INDIRECT)
        self._descriptors[index] = descriptor

    def write(self, frames: Sequence[Frame]) -> list[tuple[Viewer, int]]:
        """See ViewerBatch."""
        if self._indirect:
            return super().write(frames)
        data = cast("type[SocketViewer]", self.viewer_class).joined(frames)
        for index, sent in send_all(self._descriptors, data):
            cast("SocketViewer", self.viewers[index])._unsent(data, sent)
        return []


class SocketViewer(asyncio.Protocol, Viewer):
    """Base of the viewers of every encoding: a `Viewer` for the hub, and the protocol of its transport."""

    __slots__ = ("_connections", "_descriptor", "_events", "_opening", "_patience", "_spent", "_state", "_transport")

    batch_type = SocketBatch

    def __init__(
        self, transport: asyncio.Transport, events: ViewerEvents, connections: set[Any], opening: bytes = b""
    ) -> None:
        Viewer.__init__(self)
        # Under TLS we can't write to the socket ourselves.
        encrypted = transport.get_extra_info("sslcontext") is not None
        self._transport = EncryptedTransport(transport, self) if encrypted else transport
        self._events = events
        self._connections = connections
        self._state = State.FOLLOWING
        self._descriptor = INDIRECT
        """The socket's descriptor while it may be written to directly. At first the answer may wait in the transport.

        The batch has a copy (`_redirect`).
        """
        self._opening = opening
        """The answer that opens the connection. It is sent with the first message, to save a write and a wake-up."""
        self._spent = 0.0
        """The time up to which its messages are charged (`realtime/transport/viewer_budget.py`)."""
        self._patience: asyncio.TimerHandle | None = None
        """The timer for a frame or message that isn't complete, or for a peer that hasn't gone after the end."""
        connections.add(self)
        if not encrypted:
            transport.set_protocol(self)
        if opening:
            asyncio.get_running_loop().call_soon(self.open)

    @staticmethod
    @abstractmethod
    def encoded(frame: Frame) -> bytes:
        """Return a message in the encoding of these viewers."""

    def write(self, frame: Frame) -> bool:
        """Write one message; False while the viewer lags."""
        return self._send(self.encoded(frame))

    @classmethod
    def joined(cls, frames: Sequence[Frame]) -> bytes:
        """Return several messages in the encoding of these viewers, joined."""
        return b"".join([cls.encoded(frame) for frame in frames])

    @classmethod
    def write_all(cls, viewers: Sequence[Viewer], frames: Sequence[Frame]) -> list[tuple[Viewer, int]]:
        """Write messages to many viewers; return the lagging ones, which took none of them (0)."""
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
        """Send the answer that opens the connection, unless it was sent with the first message."""
        if self._opening:
            opening, self._opening = self._opening, b""
            self._transport.write(opening)

    def shutdown(self) -> None:
        """End the connection, because the server ends. uvicorn calls this."""
        self.close(close_codes.CLOSE_RESTART)
        # A closing transport waits until the peer has read everything; that mustn't hold up the end.
        asyncio.get_running_loop().call_later(LAST_SECONDS, self._transport.abort)

    def pause_writing(self) -> None:
        """Begin to lag: the transport holds more than its high-water mark."""
        if self._state is State.FOLLOWING:
            self._state = State.LAGGING
            # Answers to the viewer (pongs) would only add to the waiting bytes.
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """End the lag: the transport has drained."""
        if self._state is State.LAGGING:
            self._state = State.FOLLOWING
            self._transport.resume_reading()
            self._events.writable(self)

    def eof_received(self) -> None:
        """Let the transport close: the viewer sends nothing more."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Report that the connection has ended."""
        self._ended()
        self._cancel_timer()
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
            self._redirect(self._transport.get_extra_info("socket").fileno())
        for _, sent in send_all(array("i", [self._descriptor]), data):
            self._unsent(data, sent)
        return True

    def _redirect(self, descriptor: int) -> None:
        """Write to a descriptor from now on (INDIRECT: through the transport)."""
        self._descriptor = descriptor
        if self.batch is not None:
            cast("SocketBatch", self.batch).redirect(self.index, descriptor)

    def _unsent(self, data: bytes, sent: int) -> None:
        """Leave the rest of data to the transport: the socket took `sent` bytes, or failed with a negative errno.

        Later messages go there, too, until it is empty again. If the peer is gone, the transport finds out.
        """
        self._redirect(INDIRECT)
        self._transport.write(memoryview(data)[max(sent, 0) :])

    def _ended(self) -> None:
        """Note that nothing more is written."""
        self._state = State.CLOSED
        self._redirect(INDIRECT)
        self._opening = b""

    def _affords(self, frames: float) -> bool:
        """Charge frames of a weight to the viewer's budget; False if it has less left."""
        now = asyncio.get_running_loop().time()
        self._spent = until = viewer_budget.spent(self._spent, now, frames)
        return viewer_budget.allowed(until, now) or viewer_budget.allowed(until, now, self._events.asked())

    def _dismiss(self, code: int = close_codes.CLOSE_TOO_TALKATIVE) -> None:
        """End the connection for what the viewer sends: too much, or nothing complete."""
        peer = self._transport.get_extra_info("peername")
        refusals.note(Reason.TOO_TALKATIVE, address=peer[0] if peer else None)
        self.open()
        self._ended()
        self._send_close(code)
        self._hang_up()

    def _send_close(self, code: int) -> None:
        """Send the close code, if the encoding has a message for that."""

    def _close_when_read(self) -> None:
        """End the connection once the peer has read the waiting bytes, for which it has LINGER seconds."""
        self._cancel_timer()
        self._transport.close()
        if self._transport.get_write_buffer_size():
            self._patience = asyncio.get_running_loop().call_later(LINGER, self._transport.abort)

    def _hang_up(self) -> None:
        """End the connection while the peer may still be sending."""
        self._cancel_timer()
        self._spent = 0.0
        if not self._transport.is_reading():
            # It lagged, and reading was paused. Without reading we wouldn't notice that it goes.
            self._transport.resume_reading()
        self._patience = hang_up(self._transport, LINGER)

    def _came_late(self, size: int) -> None:
        """Count bytes that came after the end, and stop reading if they are too many."""
        now = asyncio.get_running_loop().time()
        self._spent = viewer_budget.spent(self._spent, now, viewer_budget.weight(1, size))
        if not viewer_budget.allowed(self._spent, now, LATE_FRAMES) and not self._transport.is_closing():
            self._transport.pause_reading()

    def _cancel_timer(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None


def hang_up(transport: asyncio.Transport, seconds: float) -> asyncio.TimerHandle:
    """End the connection to a peer that may still be sending, so that it sees what was written last.

    A socket that is closed with bytes unread is reset (RFC 6455, 7.1.1), so we read on. The returned timer cuts off a
    peer that hasn't gone after `seconds`; cancel it when the connection is lost.
    """
    try:
        transport.write_eof()
    except (OSError, NotImplementedError):
        # The peer has gone already; or it is TLS, in which one direction can't end alone.
        transport.close()
    return asyncio.get_running_loop().call_later(seconds, transport.abort)
