"""uvicorn's protocols, made for viewers: the only file that knows uvicorn's protocol classes.

`ViewerProtocol` is a complete WebSocket implementation for any ASGI application
(`uvicorn --ws liveserver.viewer_protocol:ViewerProtocol app:app`). `HttpProtocol` is uvicorn's own HTTP protocol, which
hands an upgrade over as it parsed it. Both offer an extension in the scope, `liveserver.viewer`: a function by which an
endpoint hands its connection over, and returns. From then on the connection is a viewer (`viewers.py`): no task, no
queue, no parser.

What is used of uvicorn beside `Config.ws` and `Config.http` is listed in `tests/test_viewer_protocol.py`, which fails
when a release changes it.
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, ref

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import ClientDisconnected, get_local_addr, get_remote_addr, is_ssl

from liveserver.connection import EXTENSION, Connection, State, Terms
from liveserver.handshake import Request, head
from liveserver.viewers import EventStreamViewer

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable

    from uvicorn import Config
    from uvicorn.server import ServerState

    from liveserver.viewers import Audience, Viewer

_terms: WeakKeyDictionary[Config, Terms] = WeakKeyDictionary()


def terms_of(config: Config) -> Terms:
    """What uvicorn's settings say of WebSockets, read once.

    The wheel that times the pings counts whole seconds.
    """
    terms = _terms.get(config)
    if terms is None:
        if not config.loaded:
            config.load()
        timeout = config.ws_ping_timeout
        terms = _terms[config] = Terms(
            app=config.loaded_app,
            root_path=config.root_path,
            asgi_version=config.asgi_version,
            deflate=config.ws_per_message_deflate,
            max_size=config.ws_max_size,
            ping_interval=max(1, round(config.ws_ping_interval)) if config.ws_ping_interval else 0,
            ping_timeout=None if timeout is None else max(1, round(timeout)),
        )
    return terms


class ViewerProtocol(Connection):
    """A WebSocket connection of uvicorn."""

    __slots__ = ()

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(terms_of(config), server_state, app_state)

    def data_received(self, data: bytes) -> None:
        """The request, as uvicorn's own HTTP protocols put it together again, then frames."""
        if self._state is not State.NEW:
            super().data_received(data)
            return
        transport = self._transport
        scheme = "wss" if is_ssl(transport) else "ws"
        self.begin(_request(data), get_local_addr(transport), get_remote_addr(transport), scheme)


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
        request = Request(self.scope["method"].encode(), self.url, self.headers, self.scope["http_version"])
        protocol.begin(request, self.server, self.client, "wss" if self.scheme == "https" else "ws")
        self._retire()

    def on_headers_complete(self) -> None:
        """Offer the hand-over to the endpoint of this request."""
        # Weakly, as the scope is ours: what is in a circle waits for the garbage collector.
        self.scope["extensions"] = {EXTENSION: {"hand_over": partial(_hand_over, ref(self))}}
        super().on_headers_complete()

    def hand_over(self, audience: Audience, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> Viewer:
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
        answer = _head(status, (*self.server_state.default_headers, *headers, (b"connection", b"close"))) + body
        viewer = EventStreamViewer(self.transport, audience, self.connections, answer)
        self._retire()
        return viewer

    def _retire(self) -> None:
        """Nothing comes here any more. The parser, which holds our methods, would keep the transport with us."""
        del self.parser


_head = lru_cache(maxsize=4)(head)
"""Whoever comes within a second gets the same: the date is a part of it."""


def _hand_over(
    protocol: ref[HttpProtocol], audience: Audience, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes
) -> Viewer:
    """The scope's extension; see `HttpProtocol.hand_over`."""
    alive = protocol()
    if alive is None:
        raise ClientDisconnected
    return alive.hand_over(audience, status, headers, body)


def _request(data: bytes) -> Request:
    """A request that one of uvicorn's HTTP protocols, which has checked it, wrote out again."""
    first, *lines = data.removesuffix(b"\r\n\r\n").split(b"\r\n")
    method, target, _ = first.split(b" ", 2)
    headers = []
    for line in lines:
        name, _, value = line.partition(b": ")
        headers.append((name.lower(), value))
    return Request(method, target, headers)
