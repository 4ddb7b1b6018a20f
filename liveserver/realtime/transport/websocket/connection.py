"""One WebSocket connection and the ASGI application that it serves (RFC 6455; ASGI's WebSocket specification 2.4).

A connection depends on no particular server: it needs only a transport and a request's head. By the scope's extension
(`scope_extension.py`) an application hands the connection over. From then on the connection is a viewer, without task,
queue or parser. If the peer ends the connection, the application still gets the messages that came before, and its
answers are still sent. Our close frame is sent after these answers (RFC 6455, 5.5.1).
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

import structlog

from liveserver.protocol import close_codes
from liveserver.realtime.transport.scope_extension import EXTENSION
from liveserver.realtime.transport.socket_viewer import hang_up
from liveserver.realtime.transport.timer_wheel import wheel_of
from liveserver.realtime.transport.websocket import handshake
from liveserver.realtime.transport.websocket.connection_state import (
    ConnectionGone,
    ServerState,
    State,
    WebSocketSettings,
)
from liveserver.realtime.transport.websocket.message_reader import (
    LATE_BYTES,
    LATE_FRAMES,
    SLICE,
    MessageReader,
    close_frame,
    message_frame,
)
from liveserver.realtime.transport.websocket.receive_queue import ReceiveQueue
from liveserver.realtime.transport.websocket_viewer import PING, DeflatedViewer, WebSocketViewer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from liveserver.realtime.transport.socket_viewer import ViewerEvents
    from liveserver.realtime.transport.websocket.message_reader import End

READ_AHEAD = 16
"""The number of messages that may wait for the application. Once that many wait, we stop reading from the peer."""

CLOSE_TIMEOUT = 10.0
"""Seconds within which the peer must answer our close frame.

Within as many seconds, the application must answer the messages that came before the peer's close frame."""

log = structlog.get_logger(__name__)


class Connection(asyncio.Protocol):
    """A WebSocket connection and the application that it serves."""

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

    def __init__(self, settings: WebSocketSettings, server: ServerState, app_state: dict[str, Any]) -> None:
        self._settings = settings
        self._server = server
        self._app_state = app_state
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
        """Our close frame once the peer has ended the connection. It is sent after the application's last answers."""
        self._late = 0
        """The number of bytes that came after our close frame, or after the end of the connection."""
        self._timer: asyncio.TimerHandle | None = None
        self.slot = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport of a new connection. The caller then gives the connection's request to `begin`."""
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        self._server.connections.add(self)

    def begin(
        self,
        request: handshake.Request,
        server: tuple[str, int | None] | None,
        client: tuple[str, int] | None,
        scheme: str,
        *,
        full: bool = False,
    ) -> None:
        """Check the WebSocket handshake in a request, and start the application. A bad handshake is refused.

        `server` and `client`: the addresses of the connection's two ends. `full`: True if the last free connections are
        kept for requests, so that the application should refuse a stream.
        """
        settings = self._settings
        self._state = State.CONNECTING
        try:
            self._offer = handshake.read(request, deflate=settings.deflate)
        except handshake.BadHandshake as error:
            self._refuse(error.status, error.detail.encode(), error.headers)
            return
        # The scope isn't kept in an attribute: it refers to this object, and a reference cycle stays in memory until
        # the garbage collector runs.
        scope = request.scope(settings.asgi_version, settings.root_path, scheme, server, client)
        scope["subprotocols"] = self._offer.subprotocols
        scope["state"] = self._app_state.copy()
        scope["extensions"] = {"websocket.http.response": {}, EXTENSION: {"hand_over": self._hand_over, "full": full}}
        self._incoming.put({"type": "websocket.connect"})
        tasks = self._server.tasks
        task = asyncio.get_running_loop().create_task(self._run(scope))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    def data_received(self, data: bytes) -> None:
        """Take data from the peer, which are WebSocket frames."""
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
        """Let the application's `send` wait until the transport has drained."""
        if self._writable is None:
            self._writable = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """Let the application's `send` go on, because the transport has drained."""
        writable, self._writable = self._writable, None
        if writable is not None and not writable.done():
            writable.set_result(None)

    def shutdown(self) -> None:
        """End the connection, because the server ends."""
        if self._state is State.OPEN:
            self._incoming.put({"type": "websocket.disconnect", "code": close_codes.CLOSE_RESTART})
            self._send_close(close_codes.CLOSE_RESTART, "")
        elif self._state is State.CONNECTING:
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, b"Internal Server Error")
        elif self._state is State.ENDING:
            self._finish()
        self._close_transport()

    def due(self) -> int | None:
        """Ping the peer; or end the connection if no data came since the last ping. The timer wheel calls this.

        Returns the seconds until the next call; None if there is to be none.
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

    async def _run(self, scope: dict[str, Any]) -> None:
        try:
            await self._settings.app(scope, self._receive, self._send)
        except ConnectionGone:
            pass
        except BaseException as error:
            log.exception("websocket.failed", path=scope["path"])
            self._end(close_codes.CLOSE_INTERNAL_ERROR)
            if not isinstance(error, Exception):
                raise
        else:
            if self._state is State.CONNECTING:
                log.error("websocket.unanswered", path=scope["path"])
            self._end(close_codes.CLOSE_NORMAL)

    def _end(self, code: int) -> None:
        """End the connection after the application has returned or failed. `code`: the close code, if one is sent."""
        if self._state is State.CONNECTING:
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, b"Internal Server Error")
        elif self._state is State.REFUSING:
            self._disconnected(close_codes.CLOSE_ABNORMAL)
            self._close_transport()
        elif self._state is State.OPEN:
            self._send_close(code, "")
        elif self._state is State.ENDING:
            self._finish()

    async def _receive(self) -> dict[str, Any]:
        message = await self._incoming.take()
        if message["type"] == "websocket.disconnect":
            if self._state is State.ENDING:
                self._finish()
        elif not self._reading and len(self._incoming) < READ_AHEAD // 2 and not self._transport.is_closing():
            self._reading = True
            self._heard = True
            self._transport.resume_reading()
        return message

    async def _send(self, message: dict[str, Any]) -> None:
        while self._writable is not None:
            await asyncio.shield(self._writable)
        message_type = message["type"]
        match self._state:
            case State.CONNECTING if message_type == "websocket.accept":
                self._accept(message)
            case State.CONNECTING if message_type == "websocket.close":
                self._refuse(HTTPStatus.FORBIDDEN, b"")
            case State.CONNECTING if message_type == "websocket.http.response.start":
                self._state = State.REFUSING
                headers = [*self._server.default_headers, *message.get("headers", ()), (b"connection", b"close")]
                self._transport.write(handshake.head(message["status"], headers))
            case State.REFUSING if message_type == "websocket.http.response.body":
                self._transport.write(message.get("body", b""))
                if not message.get("more_body", False):
                    self._disconnected(close_codes.CLOSE_ABNORMAL)
                    self._close_transport()
            case State.OPEN | State.ENDING if message_type == "websocket.send":
                self._send_message(message)
            case State.OPEN if message_type == "websocket.close":
                code, reason = message.get("code", close_codes.CLOSE_NORMAL), message.get("reason") or ""
                self._send_close(code, reason)
                self._incoming.put({"type": "websocket.disconnect", "code": code, "reason": reason})
            case State.ENDING if message_type == "websocket.close":
                self._finish()
            case State.CLOSED | State.CLOSING:
                raise ConnectionGone
            case _:
                raise RuntimeError(f"{message_type} can't be sent on a connection that is {self._state.name}")

    def _accept(self, message: dict[str, Any]) -> None:
        if self._transport.is_closing():
            raise ConnectionGone
        headers = [*self._server.default_headers, *message.get("headers", ())]
        if message.get("subprotocol"):
            headers.append((b"sec-websocket-protocol", message["subprotocol"].encode("latin-1")))
        self._transport.write(self._offer.response(headers))
        self._state = State.OPEN
        if self._settings.ping_interval:
            wheel_of(asyncio.get_running_loop()).add(self, self._settings.ping_interval)
        if self._early:
            # The data isn't read at once: the application may hand the connection over first.
            asyncio.get_running_loop().call_soon(self._take_early)

    def _take_early(self) -> None:
        """Read the data that came before the connection was open, and go on reading."""
        data, self._early = self._early, b""
        if data and not self._transport.is_closing():
            self._transport.resume_reading()
            self.data_received(data)

    def _hand_over(self, subscription: ViewerEvents) -> WebSocketViewer:
        """Make the connection a viewer, and return the viewer. The application must then return, and send nothing.

        If the application hasn't accepted the connection yet, it is accepted now. Raises ConnectionGone if the peer has
        left. Raises RuntimeError if the connection is neither being opened nor open, or was read from already.
        """
        connecting = self._state is State.CONNECTING
        if self._transport.is_closing():
            raise ConnectionGone
        if not connecting and (self._state is not State.OPEN or self._inbound is not None):
            raise RuntimeError(f"a connection that is {self._state.name} can't be handed over")
        wheel = wheel_of(asyncio.get_running_loop())
        if not connecting:
            wheel.discard(self)
        self._state = State.HANDED_OVER
        connections = self._server.connections
        connections.discard(self)
        viewer_class = DeflatedViewer if self._offer.extensions else WebSocketViewer
        answer = self._offer.response(self._server.default_headers) if connecting else b""
        viewer = viewer_class(self._transport, subscription, connections, wheel, self._settings.ping_interval, answer)
        if self._early:
            data, self._early = self._early, b""
            self._transport.resume_reading()
            viewer.data_received(data)
        return viewer

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
        """Look for the peer's close frame after ours. Frames that the peer sent before it saw ours may come first."""
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
        """Count bytes that came too late for the application. If they are more than `limit` in all, stop reading."""
        self._late += size
        if self._late > limit and not self._transport.is_closing():
            self._transport.pause_reading()

    def _deliver(self, message: str | bytes) -> None:
        """Let a message of the peer wait for the application. If too many wait, stop reading from the peer."""
        key = "text" if isinstance(message, str) else "bytes"
        self._incoming.put({"type": "websocket.receive", key: message})
        if len(self._incoming) >= READ_AHEAD and self._reading:
            self._reading = False
            self._transport.pause_reading()

    def _send_message(self, message: dict[str, Any]) -> None:
        self._transport.write(
            message_frame(message.get("text"), message.get("bytes"), deflate=bool(self._offer.extensions))
        )

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
        """Note that the connection has ended, and tell the application the close code unless it was told already."""
        if self._state in {State.CONNECTING, State.REFUSING, State.OPEN}:
            self._incoming.put({"type": "websocket.disconnect", "code": code, "reason": ""})
        self._state = State.CLOSED
        self.resume_writing()

    def _refuse(self, status: int, body: bytes, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
        """Answer the handshake with an HTTP error, and end the connection."""
        self._transport.write(handshake.refusal(status, body, (*self._server.default_headers, *headers)))
        self._disconnected(close_codes.CLOSE_ABNORMAL)
        self._close_transport()
