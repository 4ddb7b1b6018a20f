"""uvicorn's protocols, made for viewers: the only file that knows uvicorn's protocol classes.

`ViewerProtocol` is a complete WebSocket implementation for any ASGI application
(`uvicorn --ws liveserver.viewer_protocol:ViewerProtocol app:app`). `HttpProtocol` is uvicorn's own HTTP protocol, which
hands an upgrade over as it parsed it. Together they offer an extension in the scope, `liveserver.viewer`: a function by
which an endpoint that has accepted hands its connection over, and returns. From then on the connection is a viewer
(`viewers.py`): no task, no queue, no parser.

What is used of uvicorn beside `Config.ws` and `Config.http` is listed in `tests/test_viewer_protocol.py`, which fails
when a release changes it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from enum import Enum, auto
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote
from weakref import WeakKeyDictionary

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import ClientDisconnected, get_local_addr, get_remote_addr, is_ssl
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from liveserver import handshake
from liveserver.keepalive import Wheel
from liveserver.viewers import DeflatedViewer, EventStreamViewer, WebSocketViewer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from uvicorn import Config
    from uvicorn.server import ServerState

    from liveserver.viewers import Audience, Viewer

EXTENSION = "liveserver.viewer"

READ_AHEAD = 16
"""Messages that may wait for the application before reading pauses."""

CLOSE_TIMEOUT = 10.0
"""Seconds that the peer has to answer a close frame."""

CLOSE_NORMAL = 1000
CLOSE_NO_STATUS = 1005
CLOSE_ABNORMAL = 1006
CLOSE_INVALID_DATA = 1007
CLOSE_INTERNAL_ERROR = 1011
CLOSE_RESTART = 1012

log = structlog.get_logger(__name__)

_wheels: WeakKeyDictionary[asyncio.AbstractEventLoop, Wheel] = WeakKeyDictionary()


def wheel_of(loop: asyncio.AbstractEventLoop) -> Wheel:
    """The timer that all connections of a loop share."""
    wheel = _wheels.get(loop)
    if wheel is None:
        wheel = _wheels[loop] = Wheel(loop)
    return wheel


class State(Enum):
    """Where a WebSocket connection stands (RFC 6455, 4 to 7)."""

    CONNECTING = auto()
    """The handshake was read; the application has not answered."""
    REFUSING = auto()
    """The application answers with an HTTP response."""
    OPEN = auto()
    CLOSING = auto()
    """A close frame was sent, and the peer's is awaited."""
    CLOSED = auto()
    HANDED_OVER = auto()
    """The connection is a viewer's now."""


class ViewerProtocol(asyncio.Protocol):
    """One WebSocket connection."""

    __slots__ = (
        "_app_state",
        "_config",
        "_connections",
        "_early",
        "_fragments",
        "_incoming",
        "_offer",
        "_parser",
        "_pinged",
        "_reading",
        "_scope",
        "_server_state",
        "_state",
        "_text",
        "_timer",
        "_transport",
        "_waiting",
        "_writable",
        "slot",
    )

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        if not config.loaded:
            config.load()
        self._config = config
        self._server_state = server_state
        self._connections = cast("set[Any]", server_state.connections)
        self._app_state = app_state
        self._state = State.CONNECTING
        self._parser: ServerProtocol | None = None
        self._incoming: deque[dict[str, Any]] = deque()
        self._waiting: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._reading = True
        self._fragments: list[bytes] = []
        self._text = False
        self._pinged = False
        self._early = b""
        self._timer: asyncio.TimerHandle | None = None
        self.slot = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is ours; its request comes by `data_received` or `begin`."""
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        self._connections.add(self)

    def data_received(self, data: bytes) -> None:
        """The request, as uvicorn's own HTTP protocols put it together again, then frames."""
        if self._state is State.CONNECTING and not hasattr(self, "_scope"):
            method, target, headers = _parse_request(data)
            transport = self._transport
            scheme = "wss" if is_ssl(transport) else "ws"
            self.begin(method, target, headers, get_local_addr(transport), get_remote_addr(transport), scheme)
            return
        self._pinged = False
        if self._state in {State.OPEN, State.CLOSING}:
            parser = self._open_parser()
            parser.receive_data(data)
            self._handle_frames(parser)
        elif self._state is State.CONNECTING:
            # A client should wait for its answer (RFC 6455, 4.1). What it says before is kept; more isn't read.
            self._early += data
            self._transport.pause_reading()

    def begin(
        self,
        method: bytes,
        target: bytes,
        headers: list[tuple[bytes, bytes]],
        server: tuple[str, int | None] | None,
        client: tuple[str, int] | None,
        scheme: str,
    ) -> None:
        """Read the handshake of a request for `target` (path and query), and start the application."""
        if method != b"GET":
            self._refuse(HTTPStatus.METHOD_NOT_ALLOWED, b"", [(b"allow", b"GET")])
            return
        try:
            self._offer = handshake.read(headers, deflate=self._config.ws_per_message_deflate)
        except handshake.BadHandshake as error:
            self._refuse(error.status, error.detail.encode(), error.headers)
            return
        if not target.startswith(b"/"):
            # The absolute form (RFC 9112, 3.2.2).
            target = b"/" + target.partition(b"://")[2].partition(b"/")[2]
        path, _, query = target.partition(b"?")
        root = self._config.root_path
        self._scope: dict[str, Any] = {
            "type": "websocket",
            "asgi": {"version": self._config.asgi_version, "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": scheme,
            "server": server,
            "client": client,
            "root_path": root,
            "path": root + unquote(path.decode("ascii")),
            "raw_path": root.encode("ascii") + path,
            "query_string": query,
            "headers": headers,
            "subprotocols": self._offer.subprotocols,
            "state": self._app_state.copy(),
            "extensions": {"websocket.http.response": {}, EXTENSION: {"hand_over": self._hand_over}},
        }
        self._incoming.append({"type": "websocket.connect"})
        tasks = self._server_state.tasks
        task = asyncio.get_running_loop().create_task(self._run())
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended."""
        self._connections.discard(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._state is not State.HANDED_OVER:
            wheel_of(asyncio.get_running_loop()).discard(self)
            self._disconnected(CLOSE_ABNORMAL if self._state is State.CONNECTING else CLOSE_NO_STATUS)

    def eof_received(self) -> None:
        """The peer sends nothing more: the transport closes."""

    def pause_writing(self) -> None:
        """`send` waits until the transport has drained."""
        if self._writable is None:
            self._writable = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """The transport has drained."""
        writable, self._writable = self._writable, None
        if writable is not None and not writable.done():
            writable.set_result(None)

    def shutdown(self) -> None:
        """The server ends (uvicorn calls this)."""
        if self._state is State.OPEN:
            self._incoming.append({"type": "websocket.disconnect", "code": CLOSE_RESTART})
            self._wake()
            self._send_close(CLOSE_RESTART, "")
        elif self._state is State.CONNECTING:
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, b"Internal Server Error")
        self._close_transport()

    def due(self) -> int | None:
        """Ping the peer; end the connection if nothing has come since the last ping (the wheel calls this)."""
        if self._state is not State.OPEN:
            return None
        parser = self._open_parser()
        interval = round(self._config.ws_ping_interval or 0)
        timeout = round(self._config.ws_ping_timeout or interval)
        # While reading is paused, what the peer answers isn't seen.
        if self._pinged and self._reading:
            parser.fail(CLOSE_INTERNAL_ERROR, "keepalive ping timeout")
            self._flush(parser)
            self._disconnected(CLOSE_ABNORMAL)
            self._transport.abort()
            return None
        self._pinged = True
        parser.send_ping(b"")
        self._flush(parser)
        return min(interval, timeout)

    async def _run(self) -> None:
        try:
            await self._config.loaded_app(self._scope, self._receive, self._send)
        except ClientDisconnected:
            pass
        except BaseException as error:
            log.exception("websocket.failed", path=self._scope["path"])
            self._end(CLOSE_INTERNAL_ERROR)
            if not isinstance(error, Exception):
                raise
        else:
            if self._state is State.CONNECTING:
                log.error("websocket.unanswered", path=self._scope["path"])
            self._end(CLOSE_NORMAL)

    def _end(self, code: int) -> None:
        """The application has returned or failed."""
        if self._state is State.CONNECTING:
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, b"Internal Server Error")
        elif self._state is State.REFUSING:
            self._disconnected(CLOSE_ABNORMAL)
            self._close_transport()
        elif self._state is State.OPEN:
            self._send_close(code, "")

    async def _receive(self) -> dict[str, Any]:
        while not self._incoming:
            if self._waiting is None:
                self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        message = self._incoming[0]
        if message["type"] == "websocket.disconnect":
            # It stays, for an application that asks again.
            return message
        self._incoming.popleft()
        if not self._reading and len(self._incoming) < READ_AHEAD // 2 and not self._transport.is_closing():
            self._reading = True
            self._pinged = False
            self._transport.resume_reading()
        return message

    async def _send(self, message: dict[str, Any]) -> None:
        while self._writable is not None:
            await asyncio.shield(self._writable)
        kind = message["type"]
        match self._state:
            case State.CONNECTING if kind == "websocket.accept":
                self._accept(message)
            case State.CONNECTING if kind == "websocket.close":
                self._refuse(HTTPStatus.FORBIDDEN, b"")
            case State.CONNECTING if kind == "websocket.http.response.start":
                self._state = State.REFUSING
                headers = [*self._defaults(), *message.get("headers", ()), (b"connection", b"close")]
                self._transport.write(_head(message["status"], headers))
            case State.REFUSING if kind == "websocket.http.response.body":
                self._transport.write(message.get("body", b""))
                if not message.get("more_body", False):
                    self._disconnected(CLOSE_ABNORMAL)
                    self._close_transport()
            case State.OPEN if kind == "websocket.send":
                self._send_message(message)
            case State.OPEN if kind == "websocket.close":
                self._incoming.append({"type": "websocket.disconnect", "code": message.get("code", CLOSE_NORMAL)})
                self._wake()
                self._send_close(message.get("code", CLOSE_NORMAL), message.get("reason") or "")
            case State.CLOSED | State.CLOSING:
                raise ClientDisconnected
            case _:
                raise RuntimeError(f"{kind} can't be sent on a connection that is {self._state.name}")

    def _accept(self, message: dict[str, Any]) -> None:
        if self._transport.is_closing():
            raise ClientDisconnected
        headers = [*self._defaults(), *message.get("headers", ())]
        if message.get("subprotocol"):
            headers.append((b"sec-websocket-protocol", message["subprotocol"].encode("latin-1")))
        self._transport.write(self._offer.response(headers))
        self._state = State.OPEN
        if self._config.ws_ping_interval:
            wheel_of(asyncio.get_running_loop()).add(self, round(self._config.ws_ping_interval))
        if self._early:
            # Not at once: the connection may be handed over first.
            asyncio.get_running_loop().call_soon(self._take_early)

    def _take_early(self) -> None:
        """Read what came before the connection was open."""
        data, self._early = self._early, b""
        if data and not self._transport.is_closing():
            self._transport.resume_reading()
            self.data_received(data)

    def _hand_over(self, audience: Audience) -> WebSocketViewer:
        """Make the connection a viewer. The application is to return without using it again."""
        if self._state is not State.OPEN or self._parser is not None:
            raise RuntimeError(f"a connection can be handed over once it is accepted; it is {self._state.name}")
        wheel = wheel_of(asyncio.get_running_loop())
        wheel.discard(self)
        self._state = State.HANDED_OVER
        self._connections.discard(self)
        kind = DeflatedViewer if self._offer.extensions else WebSocketViewer
        interval = round(self._config.ws_ping_interval or 0)
        viewer = kind(self._transport, audience, self._connections, wheel, interval)
        if self._early:
            data, self._early = self._early, b""
            self._transport.resume_reading()
            viewer.data_received(data)
        return viewer

    def _open_parser(self) -> ServerProtocol:
        if self._parser is None:
            self._parser = ServerProtocol(state=OPEN, max_size=self._config.ws_max_size)
            if self._offer.extensions:
                self._parser.extensions = [PerMessageDeflate(True, True, 15, 15)]
        return self._parser

    def _handle_frames(self, parser: ServerProtocol) -> None:
        for frame in parser.events_received():
            assert isinstance(frame, Frame)
            if frame.opcode in _DATA and self._state is State.OPEN:
                self._take(parser, frame)
        if parser.close_rcvd is not None:
            self._disconnected(parser.close_rcvd.code, parser.close_rcvd.reason)
        elif parser.parser_exc is not None:
            code = parser.close_sent.code if parser.close_sent else CLOSE_ABNORMAL
            self._disconnected(code, parser.close_sent.reason if parser.close_sent else "")
        self._flush(parser)
        if parser.state is not OPEN and (parser.close_rcvd is not None or parser.parser_exc is not None):
            self._close_transport()

    def _take(self, parser: ServerProtocol, frame: Frame) -> None:
        """One frame of a message."""
        if frame.opcode is not Opcode.CONT:
            self._text = frame.opcode is Opcode.TEXT
        self._fragments.append(bytes(frame.data))
        if not frame.fin:
            return
        data = self._fragments[0] if len(self._fragments) == 1 else b"".join(self._fragments)
        self._fragments.clear()
        message: dict[str, Any] = {"type": "websocket.receive", "bytes": data}
        if self._text:
            try:
                message = {"type": "websocket.receive", "text": data.decode()}
            except UnicodeDecodeError:
                parser.fail(CLOSE_INVALID_DATA)
                self._flush(parser)
                self._disconnected(CLOSE_INVALID_DATA)
                self._close_transport()
                return
        self._incoming.append(message)
        if len(self._incoming) >= READ_AHEAD and self._reading:
            self._reading = False
            self._transport.pause_reading()
        self._wake()

    def _send_message(self, message: dict[str, Any]) -> None:
        parser = self._open_parser()
        text = message.get("text")
        if text is not None:
            parser.send_text(text.encode())
        else:
            parser.send_binary(message["bytes"])
        self._flush(parser)

    def _send_close(self, code: int, reason: str) -> None:
        parser = self._open_parser()
        parser.send_close(code, reason)
        self._state = State.CLOSING
        self._flush(parser)
        self._timer = asyncio.get_running_loop().call_later(CLOSE_TIMEOUT, self._transport.abort)

    def _close_transport(self) -> None:
        """End the connection after what was written; a peer that doesn't read it has a while."""
        self._transport.close()
        if self._timer is None and self._transport.get_write_buffer_size():
            self._timer = asyncio.get_running_loop().call_later(CLOSE_TIMEOUT, self._transport.abort)

    def _disconnected(self, code: int, reason: str = "") -> None:
        """Tell the application that it is over, once."""
        if self._state is State.CLOSED:
            return
        if self._state in {State.CONNECTING, State.REFUSING, State.OPEN}:
            self._incoming.append({"type": "websocket.disconnect", "code": code, "reason": reason})
        self._state = State.CLOSED
        self._wake()
        self.resume_writing()

    def _flush(self, parser: ServerProtocol) -> None:
        data = b"".join(parser.data_to_send())
        if data:
            self._transport.write(data)

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    def _refuse(self, status: int, body: bytes, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
        """Answer the handshake with an HTTP error."""
        content = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(body))]
        self._transport.write(_head(status, [*self._defaults(), *content, (b"connection", b"close"), *headers]) + body)
        self._disconnected(CLOSE_ABNORMAL)
        self._close_transport()

    def _defaults(self) -> list[tuple[bytes, bytes]]:
        return self._server_state.default_headers


_DATA = frozenset({Opcode.TEXT, Opcode.BINARY, Opcode.CONT})


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol on httptools, which hands upgrades and event streams over without parsing them again."""

    def handle_websocket_upgrade(self) -> None:
        """Give the request to the WebSocket protocol as it was parsed."""
        if self.ws_protocol_class is not ViewerProtocol:
            super().handle_websocket_upgrade()
            return
        self.connections.discard(self)
        protocol = ViewerProtocol(self.config, self.server_state, self.app_state)
        protocol.connection_made(self.transport)
        self.transport.set_protocol(protocol)
        method, scheme = self.scope["method"].encode(), "wss" if self.scheme == "https" else "ws"
        protocol.begin(method, self.url, self.headers, self.server, self.client, scheme)

    def on_headers_complete(self) -> None:
        """Offer the hand-over to the endpoint of this request."""
        self.scope["extensions"] = {EXTENSION: {"hand_over": self._hand_over}}
        super().on_headers_complete()

    def _hand_over(
        self, audience: Audience, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes
    ) -> Viewer:
        """Answer the request with a stream that ends with the connection, and make the connection its viewer.

        The application is to return without sending anything.
        """
        cycle = self.cycle
        if cycle.disconnected:
            raise ClientDisconnected
        if cycle.response_started or self.pipeline:
            raise RuntimeError("a request can be handed over while it hasn't been answered, and is the last")
        # To uvicorn the client has gone: it neither answers nor waits for an answer.
        cycle.disconnected = True
        cycle.message_event.set()
        self.connections.discard(self)
        self._unset_keepalive_if_required()
        self.transport.write(
            _head(status, [*self.server_state.default_headers, *headers, (b"connection", b"close")]) + body
        )
        return EventStreamViewer(self.transport, audience, self.connections)


def _head(status: int, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Status line and headers of an HTTP/1.1 response."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    lines = [f"HTTP/1.1 {status} {phrase}".encode()]
    lines += [name + b": " + value for name, value in headers]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def _parse_request(data: bytes) -> tuple[bytes, bytes, list[tuple[bytes, bytes]]]:
    """Method, target and headers of a request that uvicorn's HTTP protocols, which have checked it, wrote out again."""
    first, *lines = data.removesuffix(b"\r\n\r\n").split(b"\r\n")
    method, target, _ = first.split(b" ", 2)
    headers = []
    for line in lines:
        name, _, value = line.partition(b": ")
        headers.append((name.lower(), value))
    return method, target, headers
