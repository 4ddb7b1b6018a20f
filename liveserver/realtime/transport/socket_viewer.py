"""A viewer on a socket: a transport, a descriptor, and a place in a batch. The hand-over makes a connection a viewer.

A viewer has no task and no queue of its own, and a parser only while it is needed. The hub sends bytes that all viewers
with the same encoding share. While no bytes wait in the transport, the viewer's socket is written to directly, together
with hundreds of other sockets in one call (`realtime/transport/batch_send.py`). Otherwise the bytes go through the
transport, so that they stay in order. This module doesn't depend on the server that accepted the connection.
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
"""Seconds from a viewer's `shutdown` to the abort of its connection. Meanwhile the viewer can read messages."""

LINGER = 5.0
"""Seconds after which an ending connection is aborted. Until then the peer can read the last bytes."""

LATE_FRAMES = 240
"""The number of frames (64 KB) that a viewer may send after its connection's end, in addition to its budget.

`realtime/transport/viewer_budget.py` defines the budget, and how bytes count as frames. A viewer may still send data
until it notices the end. Data up to this limit is read and thrown away. Further data isn't read: it waits in the
kernel, which accepts no more once its buffer is full.
"""

INDIRECT = -1
"""The value used instead of a viewer's descriptor while the viewer's messages must go through the transport."""


class ViewerEvents(Protocol):
    """The receiver of a viewer's events. Its methods are called by the viewer, on the event loop.

    The viewer's own methods `write` and `close` never call it.
    """

    def writable(self, viewer: Viewer, /) -> None:
        """Note that the viewer, which lagged, can be written to again."""

    def said(self, viewer: Viewer, message: bytes, /) -> None:
        """Handle a short text message that the viewer has sent."""

    def asked(self) -> int:
        """Return how many answers (such as confirmations) each viewer of the topic may have to send now.

        A viewer may send this number of frames in addition to its budget.
        """

    def gone(self, viewer: Viewer, /) -> None:
        """Note that the viewer's connection has ended."""


class State(Enum):
    """The state of a viewer."""

    FOLLOWING = auto()
    LAGGING = auto()
    """The transport holds too many unsent bytes. Nothing is written until the transport has drained."""
    CLOSED = auto()
    """The connection is ending, or has ended."""


class SocketBatch(ViewerBatch):
    """A batch with its viewers' descriptors in one array.

    If all sockets can be written to directly, `write` needs only this array, and no loop over the viewers.
    """

    __slots__ = ("_descriptors", "_indirect")

    def __init__(self, viewer_set: ViewerSet, viewer_class: type[Viewer]) -> None:
        super().__init__(viewer_set, viewer_class)
        self._descriptors = array("i")
        self._indirect = 0

    def add(self, viewer: Viewer) -> None:
        """Add a viewer and its descriptor at the end."""
        super().add(viewer)
        descriptor = cast("SocketViewer", viewer)._descriptor
        self._descriptors.append(descriptor)
        self._indirect += descriptor == INDIRECT

    def discard(self, viewer: Viewer) -> None:
        """Remove a viewer and its descriptor. The last viewer and its descriptor get the index that is free now."""
        self._indirect -= self._descriptors[viewer.index] == INDIRECT
        self._descriptors[viewer.index] = self._descriptors[-1]
        self._descriptors.pop()
        super().discard(viewer)

    def redirect(self, index: int, descriptor: int) -> None:
        """Set the descriptor of the viewer at an index. With INDIRECT, `write` uses that viewer's transport."""
        self._indirect += (descriptor == INDIRECT) - (self._descriptors[index] == INDIRECT)
        self._descriptors[index] = descriptor

    def write(self, frames: Sequence[Frame]) -> list[tuple[Viewer, int]]:
        """Write messages to all viewers.

        Returns a pair for each viewer that lagged before the call: the viewer, and 0, as it accepted no message.
        """
        if self._indirect:
            return super().write(frames)
        data = cast("type[SocketViewer]", self.viewer_class).joined(frames)
        for index, sent in send_all(self._descriptors, data):
            cast("SocketViewer", self.viewers[index])._unsent(data, sent)
        return []


class SocketViewer(asyncio.Protocol, Viewer):
    """Base class of the viewers on sockets, with a subclass for each encoding.

    An object is a `Viewer` for the hub, and the protocol of its own transport.
    """

    __slots__ = ("_connections", "_descriptor", "_events", "_opening", "_patience", "_spent", "_state", "_transport")

    batch_type = SocketBatch

    def __init__(
        self, transport: asyncio.Transport, events: ViewerEvents, connections: set[Any], opening: bytes = b""
    ) -> None:
        Viewer.__init__(self)
        # Under TLS we can't write to the socket directly.
        encrypted = transport.get_extra_info("sslcontext") is not None
        self._transport = EncryptedTransport(transport, self) if encrypted else transport
        self._events = events
        self._connections = connections
        self._state = State.FOLLOWING
        self._descriptor = INDIRECT
        """The socket's descriptor while the socket may be written to directly, else INDIRECT.

        It is INDIRECT at first, since the answer that opens the connection may wait in the transport. The viewer's
        batch has a copy of this value. Only `_redirect` changes the value and its copy.
        """
        self._opening = opening
        """The answer that opens the connection; b"" once it is sent. It may be sent together with the first message."""
        self._spent = 0.0
        """The event loop's time when the viewer's debt (see `viewer_budget`) will be paid off."""
        self._patience: asyncio.TimerHandle | None = None
        """The timer that ends the connection if the viewer is too slow; None if no timer runs.

        It runs while a frame or message from the viewer is incomplete. It also runs while the connection is ending.
        """
        connections.add(self)
        if not encrypted:
            transport.set_protocol(self)
        if opening:
            asyncio.get_running_loop().call_soon(self.open)

    @staticmethod
    @abstractmethod
    def encoded(frame: Frame) -> bytes:
        """Return a message as bytes, in the encoding of this class of viewers."""

    def write(self, frame: Frame) -> bool:
        """Write one message. Returns False if the viewer lags; then nothing was written.

        If the connection is ending or has ended, the message is thrown away, and the result is True.
        """
        return self._send(self.encoded(frame))

    @classmethod
    def joined(cls, frames: Sequence[Frame]) -> bytes:
        """Return several messages as bytes, one after the other, in the encoding of this class of viewers."""
        return b"".join([cls.encoded(frame) for frame in frames])

    @classmethod
    def write_all(cls, viewers: Sequence[Viewer], frames: Sequence[Frame]) -> list[tuple[Viewer, int]]:
        """Write messages to many viewers.

        Returns a pair for each viewer that lagged before the call: the viewer, and 0, as it accepted no message.
        """
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
        """Send the answer that opens the connection. Does nothing if this answer was sent with the first message."""
        if self._opening:
            opening, self._opening = self._opening, b""
            self._transport.write(opening)

    def shutdown(self) -> None:
        """End the connection. Called by uvicorn for each open connection when the server ends."""
        self.close(close_codes.CLOSE_RESTART)
        # A closing transport waits until all its bytes are sent. The server's end mustn't wait for that.
        asyncio.get_running_loop().call_later(LAST_SECONDS, self._transport.abort)

    def pause_writing(self) -> None:
        """Begin to lag, because the transport holds too many unsent bytes."""
        if self._state is State.FOLLOWING:
            self._state = State.LAGGING
            # Our answers (pongs) to what the viewer sends would only add to the waiting bytes.
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """End the lag, because the transport has drained, and notify the hub."""
        if self._state is State.LAGGING:
            self._state = State.FOLLOWING
            self._transport.resume_reading()
            self._events.writable(self)

    def eof_received(self) -> None:
        """Return None, so that the transport closes the connection: the viewer sends nothing more."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Report to the hub that the connection has ended."""
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
        """Write directly to `descriptor` from now on; or through the transport, if `descriptor` is INDIRECT."""
        self._descriptor = descriptor
        if self.batch is not None:
            cast("SocketBatch", self.batch).redirect(self.index, descriptor)

    def _unsent(self, data: bytes, sent: int) -> None:
        """Let the transport write the part of `data` that the socket didn't accept.

        `sent`: the number of bytes that the socket accepted or, if the write failed, the negative errno. From now on
        all messages go through the transport, until no bytes wait in it. If the peer is gone, the transport notices it.
        """
        self._redirect(INDIRECT)
        self._transport.write(memoryview(data)[max(sent, 0) :])

    def _ended(self) -> None:
        """Note that the connection is ending: no message is written from now on."""
        self._state = State.CLOSED
        self._redirect(INDIRECT)
        self._opening = b""

    def _affords(self, frames: float) -> bool:
        """Add received frames to the viewer's debt. Returns False if the debt is too large now.

        `frames`: the weight of the received frames (see `viewer_budget.weight`).
        """
        now = asyncio.get_running_loop().time()
        self._spent = until = viewer_budget.spent(self._spent, now, frames)
        return viewer_budget.allowed(until, now) or viewer_budget.allowed(until, now, self._events.asked())

    def _dismiss(self, code: int = close_codes.CLOSE_TOO_TALKATIVE) -> None:
        """End the connection, and count a refusal: the viewer sends too much, or doesn't complete what it sends."""
        peer = self._transport.get_extra_info("peername")
        refusals.note(Reason.TOO_TALKATIVE, address=peer[0] if peer else None)
        self.open()
        self._ended()
        self._send_close(code)
        self._hang_up()

    def _send_close(self, code: int) -> None:
        """Send the close code, if viewers of this class have a message for it. This base class sends nothing."""

    def _close_when_read(self) -> None:
        """End the connection once all waiting bytes are sent. If that takes LINGER seconds, abort the connection."""
        self._cancel_timer()
        self._transport.close()
        if self._transport.get_write_buffer_size():
            self._patience = asyncio.get_running_loop().call_later(LINGER, self._transport.abort)

    def _hang_up(self) -> None:
        """End the connection to a peer that may still be sending. The peer still gets all bytes that were written.

        If the connection still exists after LINGER seconds, it is aborted.
        """
        self._cancel_timer()
        self._spent = 0.0
        if not self._transport.is_reading():
            # The viewer lagged, and reading was paused. Without reading we wouldn't notice that the viewer goes.
            self._transport.resume_reading()
        self._patience = hang_up(self._transport, LINGER)

    def _came_late(self, size: int) -> None:
        """Count bytes that came after the connection's end. Beyond LATE_FRAMES and the budget, stop reading."""
        now = asyncio.get_running_loop().time()
        self._spent = viewer_budget.spent(self._spent, now, viewer_budget.weight(1, size))
        if not viewer_budget.allowed(self._spent, now, LATE_FRAMES) and not self._transport.is_closing():
            self._transport.pause_reading()

    def _cancel_timer(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None


def hang_up(transport: asyncio.Transport, seconds: float) -> asyncio.TimerHandle:
    """End the connection to a peer that may still be sending. The peer still gets all bytes that were written.

    If a socket is closed before all bytes from the peer were read, the connection is reset, and the last bytes that we
    sent may get lost (RFC 6455, 7.1.1). So the transport ends only our direction, and goes on reading. A TLS transport
    can't end one direction only, and is closed. Returns a timer that aborts the connection after `seconds`. The caller
    must cancel the timer if the connection ends earlier.
    """
    try:
        transport.write_eof()
    except (OSError, NotImplementedError):
        # The peer has gone already; or the transport is TLS, in which a single direction can't end.
        transport.close()
    return asyncio.get_running_loop().call_later(seconds, transport.abort)
