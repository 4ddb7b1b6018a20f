"""A WebSocket protocol for uvicorn. It is made for viewers, but works with any ASGI application.

This command runs an application with it: `uvicorn --ws liveserver.viewer_protocol:ViewerProtocol app:app`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from uvicorn.protocols.utils import get_local_addr, get_remote_addr, is_ssl

from liveserver.realtime.transport.websocket.connection import Connection
from liveserver.realtime.transport.websocket.connection_state import State, WebSocketSettings
from liveserver.realtime.transport.websocket.handshake import Request

if TYPE_CHECKING:
    import asyncio

    from uvicorn import Config
    from uvicorn.server import ServerState


_terms: WeakKeyDictionary[Config, WebSocketSettings] = WeakKeyDictionary()


def terms_of(config: Config) -> WebSocketSettings:
    """Return the WebSocket settings in a configuration of uvicorn. Each configuration is read only once.

    Times are rounded to whole seconds (at least 1), because the timer wheel counts in seconds.
    """
    terms = _terms.get(config)
    if terms is None:
        if not config.loaded:
            config.load()
        timeout = config.ws_ping_timeout
        terms = _terms[config] = WebSocketSettings(
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
    """A WebSocket connection with the constructor and the methods that uvicorn calls."""

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
        """Handle data: in the first call the request, in later calls WebSocket frames.

        uvicorn's own HTTP protocols call this with the request, which they have parsed and written as bytes again. Our
        `HttpProtocol` calls `begin` instead.
        """
        if self._state is not State.NEW:
            super().data_received(data)
            return
        transport = self._transport
        scheme = "wss" if is_ssl(transport) else "ws"
        self.begin(_request(data), get_local_addr(transport), get_remote_addr(transport), scheme)


def _request(data: bytes) -> Request:
    """Parse and return a request that one of uvicorn's HTTP protocols has parsed before, and has written as bytes
    again."""
    first, *lines = data.removesuffix(b"\r\n\r\n").split(b"\r\n")
    method, target, _ = first.split(b" ", 2)
    headers = []
    for line in lines:
        name, _, value = line.partition(b": ")
        headers.append((name.lower(), value))
    return Request(method, target, headers)
