"""One serving process: uvicorn with the application, configured by the settings."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog
import uvicorn

from liveserver.realtime.transport import batch_send
from liveserver.server.app import create_app
from liveserver.server.certificates import configured_certificate
from liveserver.server.connection_capacity import capacity, descriptors
from liveserver.server.listener import BACKLOG, address_of
from liveserver.server.protocols.connection_room import ConnectionLimits
from liveserver.server.protocols.encrypted_http_protocol import limited
from liveserver.server.uvicorn_server import Server
from liveserver.settings import database_of
from liveserver.utils import heap

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from liveserver.http.container import Container
    from liveserver.server.uvicorn_server import Beside
    from liveserver.settings import Settings

ACCEPTORS = 8
"""The number of descriptors of the listening socket.

In one turn of the event loop, uvloop accepts one connection from each of these descriptors. (With TLS, `TlsListener`
accepts more.) One descriptor would be too few, because a turn takes milliseconds if messages are written to a batch of
viewers."""

log = structlog.get_logger(__name__)


def run(settings: Settings, listener: socket.socket, beside: Beside | None = None) -> None:
    """Serve the connections of a listening socket until SIGINT or SIGTERM comes.

    `beside` is a coroutine function that runs once, on the event loop beside the server. It begins when the server
    begins to accept connections, and is cancelled before the server's parts are closed. Raises SettingsError if the
    certificate can't be used.
    """
    heap.give_back()
    app = create_app(settings)
    room = capacity(descriptors(), most=settings.max_connections, database_pool=settings.database_pool)
    certificate = configured_certificate(settings)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=True,
        # uvicorn understands the star (all addresses) only if it is the whole value.
        forwarded_allow_ips="*" if "*" in settings.forwarded_allow_ips else settings.forwarded_allow_ips,
        ws="liveserver.viewer_protocol:ViewerProtocol",
        ws_max_size=4096,
        http=limited(
            ConnectionLimits(settings.head_timeout, settings.body_timeout, room.connections, room.streams),
            encrypted=certificate is not None,
        ),
        timeout_graceful_shutdown=max(1, round(settings.graceful_timeout)),
        backlog=BACKLOG,
        # Each request on a connection gets context variables of its own, because they say who makes the request.
        reset_contextvars=True,
        ssl_context_factory=None if certificate is None else lambda _config, _default: certificate.context,
    )

    if not settings.io_uring:
        batch_send.one_by_one()

    def started(parts: Container) -> None:
        log.info(
            "server.started",
            url=settings.base_url,
            listening=address_of(settings),
            database=database_of(settings),
            pid=os.getpid(),
        )

    # Python assumes that a socket that comes from another process is blocking. Copying the socket would then really
    # make it blocking, in all processes that share it, and their event loops would hang in `accept`.
    listener.setblocking(False)
    with _quiet_end():
        server = Server(config, app, started, beside, certificate)
        server.run([listener, *(listener.dup() for _ in range(ACCEPTORS - 1))])


@contextmanager
def _quiet_end() -> Iterator[None]:
    """Ignore SIGINT and SIGTERM within this context, except while uvicorn handles them.

    uvicorn ends at a signal, closes everything, and then sends this process the same signal again. Without this
    context, the second signal would kill the process.
    """
    handlers = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
