"""One WebSocket connection and the ASGI application that it serves (RFC 6455; ASGI's WebSocket specification 2.4).

A connection depends on no particular server: it needs only a transport and a request's head. An application can hand
its connection over to the hub (`scope_extension.py`). From then on the connection is a viewer, and has no task, queue
or parser. After the peer's close frame, the application still gets the messages that the peer sent before this frame,
and the application's answers are still sent. Our close frame is sent after these answers (RFC 6455, 5.5.1).

This module has the application's side. The peer's side is the base class (`peer_connection.py`).
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import structlog

from liveserver.protocol import close_codes
from liveserver.realtime.transport.scope_extension import EXTENSION
from liveserver.realtime.transport.timer_wheel import wheel_of
from liveserver.realtime.transport.websocket import handshake
from liveserver.realtime.transport.websocket.connection_state import ConnectionGone, State
from liveserver.realtime.transport.websocket.message_reader import message_frame
from liveserver.realtime.transport.websocket.peer_connection import PeerConnection
from liveserver.realtime.transport.websocket.receive_queue import READ_AHEAD
from liveserver.realtime.transport.websocket_viewer import DeflatedViewer, WebSocketViewer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from liveserver.realtime.transport.socket_viewer import ViewerEvents

log = structlog.get_logger(__name__)


class Connection(PeerConnection):
    """A WebSocket connection and the application that it serves."""

    __slots__ = ()

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

        `server` and `client`: the addresses of the connection's two ends. `full`: True if all free connections are kept
        for requests. In that case the application should refuse a stream.
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

    def shutdown(self) -> None:
        """End the connection, because the server ends.

        An open connection gets the close code 1012. A handshake without an answer gets the status 500.
        """
        if self._state is State.OPEN:
            self._incoming.put({"type": "websocket.disconnect", "code": close_codes.CLOSE_RESTART})
            self._send_close(close_codes.CLOSE_RESTART, "")
        elif self._state is State.CONNECTING:
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, b"Internal Server Error")
        elif self._state is State.ENDING:
            self._finish()
        self._close_transport()

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
        """End the connection, because the application has returned or failed.

        `code`: the close code that the peer gets if the connection is still open.
        """
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

    def _hand_over(self, subscription: ViewerEvents) -> WebSocketViewer:
        """Make the connection a viewer, and return the viewer. The application must then return, and send nothing.

        `subscription`: the receiver of the viewer's events. If the application hasn't accepted the connection yet, it
        is accepted now. Raises ConnectionGone if the peer has left. Raises RuntimeError if the state isn't CONNECTING
        or OPEN, or if data from the peer was parsed already.
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

    def _send_message(self, message: dict[str, Any]) -> None:
        self._transport.write(
            message_frame(message.get("text"), message.get("bytes"), deflate=bool(self._offer.extensions))
        )

    def _refuse(self, status: int, body: bytes, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
        """Answer the handshake with an HTTP error, and end the connection."""
        self._transport.write(handshake.refusal(status, body, (*self._server.default_headers, *headers)))
        self._disconnected(close_codes.CLOSE_ABNORMAL)
        self._close_transport()
