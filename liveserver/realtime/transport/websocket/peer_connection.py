"""The peer's side of a WebSocket connection: frames, pings, and the end of the connection (RFC 6455, 5 to 7).

The application's side is the subclass in `connection.py`. Messages go from one side to the other through a queue
(`receive_queue.py`). Both sides are one object, so that a connection takes little memory and time.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from liveserver.protocol import close_codes
from liveserver.realtime.transport.socket_viewer import hang_up
from liveserver.realtime.transport.timer_wheel import wheel_of
from liveserver.realtime.transport.websocket.connection_state import State
from liveserver.realtime.transport.websocket.message_reader import (
    LATE_BYTES,
    LATE_FRAMES,
    SLICE,
    MessageReader,
    close_frame,
)
from liveserver.realtime.transport.websocket.receive_queue import READ_AHEAD, ReceiveQueue
from liveserver.realtime.transport.websocket_viewer import PING

if TYPE_CHECKING:
    from liveserver.realtime.transport.websocket.connection_state import ServerState, WebSocketSettings
    from liveserver.realtime.transport.websocket.handshake import Offer
    from liveserver.realtime.transport.websocket.message_reader import End

CLOSE_TIMEOUT = 10.0
"""Seconds within which the peer must answer our close frame.

The application has the same time to answer the messages that came before the peer's close frame."""


class PeerConnection(asyncio.Protocol):
    """Base class of a WebSocket connection: it reads the peer's messages, pings the peer, and ends the connection."""

    # fmt: off
    __slots__ = (
        "_app_state",
        "_awaits_pong",
        "_close_frame",
        "_early",
        "_heard",
        "_inbound",
        "_incoming",
        "_late",
        "_offer",
        "_reading",
        "_server",
        "_settings",
        "_state",
        "_timer",
        "_transport",
        "_writable",
        "slot",
    )
    # fmt: on

    _offer: Offer
    """The header values of our answer to the handshake. The subclass sets `_offer` before the first frame is read."""

    def __init__(self, settings: WebSocketSettings, server: ServerState, app_state: dict[str, Any]) -> None:
        self._settings = settings
        self._server = server
        self._app_state = app_state
        """The state that the application's lifespan has made. The scope of the connection gets a copy."""
        self._state = State.NEW
        self._inbound: MessageReader | None = None
        self._incoming = ReceiveQueue()
        self._writable: asyncio.Future[None] | None = None
        self._reading = True
        self._heard = False
        """True if data has come from the peer since the last ping, or if we resumed reading since then."""
        self._awaits_pong = False
        """True if the next call of `due` is to check whether the peer has answered a ping."""
        self._early = b""
        self._close_frame = b""
        """The close frame to be sent after the application's last answer; b"" until the peer ends the connection."""
        self._late = 0
        """The number of bytes that came after our close frame, or after the end of the connection."""
        self._timer: asyncio.TimerHandle | None = None
        self.slot = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport of a new connection. The caller then gives the connection's request to `begin`."""
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        self._server.connections.add(self)

    def data_received(self, data: bytes) -> None:
        """Handle data from the peer: WebSocket frames, complete or in part."""
        self._heard = True
        if self._state is State.OPEN:
            self._read(data)
        elif self._state is State.CLOSING:
            self._read_answer(data)
        elif self._state is State.CONNECTING:
            # A client should send frames only after our answer (RFC 6455, 4.1). We keep this data, and read no more.
            self._early += data
            self._transport.pause_reading()
        else:
            self._came_late(len(data), LATE_BYTES)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the application that the connection has ended, unless the connection was handed over."""
        self._server.connections.discard(self)
        self._stop_timer()
        if self._state is not State.HANDED_OVER:
            wheel_of(asyncio.get_running_loop()).discard(self)
            self._disconnected(
                close_codes.CLOSE_ABNORMAL if self._state is State.CONNECTING else close_codes.CLOSE_NO_STATUS
            )

    def eof_received(self) -> None:
        """Let the transport close the connection, because the peer sends nothing more."""

    def pause_writing(self) -> None:
        """Let the application's `send` wait. Called by the transport when it holds too many unsent bytes."""
        if self._writable is None:
            self._writable = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """Let the application's `send` go on. Called when the transport has drained, and when the connection ends."""
        writable, self._writable = self._writable, None
        if writable is not None and not writable.done():
            writable.set_result(None)

    def due(self) -> int | None:
        """Ping the peer, or check that data came after the last ping. If none came, end the connection.

        Called by the timer wheel. While reading is paused, or without a `ping_timeout`, missing data doesn't end the
        connection. Returns the seconds until the next call; None for no more calls.
        """
        if self._state is not State.OPEN:
            return None
        interval, timeout = self._settings.ping_interval, self._settings.ping_timeout
        if self._awaits_pong and timeout is not None:
            self._awaits_pong = False
            # While we don't read, we can't see the peer's answer.
            if self._reading and not self._heard:
                self._disconnected(close_codes.CLOSE_ABNORMAL)
                self._transport.write(close_frame(close_codes.CLOSE_INTERNAL_ERROR, "keepalive ping timeout"))
                self._transport.abort()
                return None
            if interval > timeout:
                return interval - timeout
        self._heard = False
        self._awaits_pong = True
        self._transport.write(PING)
        return interval if timeout is None else timeout

    def _open_inbound(self) -> MessageReader:
        if self._inbound is None:
            self._inbound = MessageReader(self._settings.max_size, deflate=bool(self._offer.extensions))
        return self._inbound

    def _read(self, data: bytes) -> None:
        messages, replies, end = self._open_inbound().read(data)
        if replies:
            self._transport.write(replies)
        if self._state is State.OPEN:
            for message in messages:
                self._deliver(message)
            if end is not None:
                self._ended(end)
        elif end is not None:
            self._state = State.CLOSED
            self._close_transport()

    def _read_answer(self, data: bytes) -> None:
        """Look for the peer's answer to our close frame. If the answer has come, close the transport.

        The peer may have sent other frames before the answer. If more than LATE_FRAMES frames, or too many bytes, come
        without the answer, stop reading.
        """
        inbound = self._open_inbound()
        for start in range(0, len(data), SLICE):
            self._read(data[start : start + SLICE])
            if self._state is not State.CLOSING:
                return
            if inbound.ignored > LATE_FRAMES:
                self._transport.pause_reading()
                return
        self._came_late(len(data), LATE_BYTES + self._settings.max_size)

    def _came_late(self, size: int, limit: int) -> None:
        """Count new bytes that came too late for the application. If the total exceeds `limit`, stop reading."""
        self._late += size
        if self._late > limit and not self._transport.is_closing():
            self._transport.pause_reading()

    def _take_early(self) -> None:
        """Read the data that came before the connection was open, and go on reading."""
        data, self._early = self._early, b""
        if data and not self._transport.is_closing():
            self._transport.resume_reading()
            self.data_received(data)

    def _deliver(self, message: str | bytes) -> None:
        """Put a peer's message into the application's queue. If READ_AHEAD messages or more wait, stop reading."""
        key = "text" if isinstance(message, str) else "bytes"
        self._incoming.put({"type": "websocket.receive", key: message})
        if len(self._incoming) >= READ_AHEAD and self._reading:
            self._reading = False
            self._transport.pause_reading()

    def _send_close(self, code: int, reason: str) -> None:
        self._transport.write(self._open_inbound().close(code, reason))
        self._state = State.CLOSING
        self._timer = asyncio.get_running_loop().call_later(CLOSE_TIMEOUT, self._transport.abort)

    def _ended(self, end: End) -> None:
        """Begin to end the connection: the peer has closed it, or has sent something that isn't allowed.

        The application has CLOSE_TIMEOUT seconds to answer the messages that still wait for it.
        """
        unanswered = len(self._incoming) > 0
        self._incoming.put({"type": "websocket.disconnect", "code": end.code, "reason": end.reason})
        self._state = State.ENDING
        self._close_frame = end.frame()
        if unanswered:
            self._timer = asyncio.get_running_loop().call_later(CLOSE_TIMEOUT, self._finish)
        else:
            self._finish()

    def _finish(self) -> None:
        """Send our close frame, and read on until the peer has gone, for at most CLOSE_TIMEOUT seconds."""
        self._stop_timer()
        self._state = State.CLOSED
        self._transport.write(self._close_frame)
        self.resume_writing()
        if not self._reading:
            self._transport.resume_reading()
        self._timer = hang_up(self._transport, CLOSE_TIMEOUT)

    def _close_transport(self) -> None:
        """End the connection once all written data is sent, but after CLOSE_TIMEOUT seconds at the latest."""
        self._transport.close()
        if self._timer is None and self._transport.get_write_buffer_size():
            self._timer = asyncio.get_running_loop().call_later(CLOSE_TIMEOUT, self._transport.abort)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _disconnected(self, code: int) -> None:
        """Note that the connection has ended. Tell the application the close code, unless it knows of the end."""
        if self._state in {State.CONNECTING, State.REFUSING, State.OPEN}:
            self._incoming.put({"type": "websocket.disconnect", "code": code, "reason": ""})
        self._state = State.CLOSED
        self.resume_writing()
