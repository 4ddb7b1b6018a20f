"""uvicorn's server with a drain: viewers leave one by one before uvicorn's shutdown would cut them off."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

import structlog
import uvicorn

from liveserver.content.translations import read_languages
from liveserver.domain.errors import SettingsError
from liveserver.realtime.transport.socket_viewer import LINGER
from liveserver.server.drain import farewell
from liveserver.server.protocols.connection_room import HandshakeRoom
from liveserver.server.protocols.tls_listener import EXHAUSTED, Terms, TlsListener
from liveserver.utils import heap
from liveserver.utils.limits.refusals import Reason, refusals

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Coroutine
    from ssl import SSLContext
    from types import FrameType

    from starlette.applications import Starlette

    from liveserver.http.container import Container
    from liveserver.server.certificates import Certificate
    from liveserver.server.protocols.encrypted_http_protocol import EncryptedHttpProtocol
    from liveserver.server.protocols.http_protocol import HttpProtocol
    from liveserver.server.protocols.tls_listener import Handshake

    Beside = Callable[[Container], Coroutine[object, object, None]]
    """A coroutine function that is given the server's parts, and runs on the event loop beside the server."""

GC_THRESHOLD = 50_000
"""How many more objects must be made than freed before the garbage collector looks for reference cycles again."""
CTRL_C_SECONDS = 1.0
"""The greatest number of seconds within which all viewers leave after Ctrl+C.

It is small, as somebody waits at the terminal."""
SECOND = 1.0
"""How long, in seconds, answers get the same Date header. After this time, the header is made anew."""
TICK = 0.1
"""Seconds between two checks, during the drain, whether a second signal has come."""
FORCED_SECONDS = 2.0
"""The greatest number of seconds for closing the server's parts, such as the store, after a second signal to end.

After this time, the process ends even if the parts aren't closed."""

log = structlog.get_logger(__name__)


class Server(uvicorn.Server):
    """uvicorn's server with two changes: it drains before its shutdown, and `TlsListener` accepts TLS connections."""

    def __init__(
        self,
        config: uvicorn.Config,
        app: Starlette,
        on_start: Callable[[Container], None],
        beside: Beside | None = None,
        certificate: Certificate | None = None,
    ) -> None:
        super().__init__(config)
        self._certificate = certificate
        self._app = app
        self._on_start = on_start
        self._beside = beside
        self._work: asyncio.Task[None] | None = None
        self._interrupted = False
        """True if the signal that ends the server is SIGINT, which Ctrl+C sends."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending = asyncio.Event()
        """The event that is set when the server has got a signal to end."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept connections. If that succeeds, call `on_start`, and start `beside` as a task.

        Both get the server's parts (`Container`). `beside` may be None.
        """
        asyncio.get_running_loop().set_exception_handler(exhausted)
        if self._certificate is not None:
            # uvicorn calls the loop's `create_server` for each listening socket.
            asyncio.get_running_loop().create_server = self._listen  # type: ignore[method-assign,assignment]
        await super().startup(sockets)
        if self.started:
            read_languages()
            # Objects that were made until now are never freed. If every collection went through them, this would take a
            # third of the time of each connect. Short-lived objects are freed by their reference counts.
            gc.collect()
            gc.freeze()
            gc.set_threshold(GC_THRESHOLD)
            if self._certificate is not None:
                asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._renew, self._certificate)
                # A process starts with SIGHUP blocked. The signal may have come already; then it is handled now.
                signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
            parts = self._app.state.services
            self._on_start(parts)
            if self._beside is not None:
                self._work = asyncio.create_task(self._beside(parts))

    async def _listen(
        self, make: Callable[[], EncryptedHttpProtocol], *, sock: socket.socket, ssl: SSLContext, **_: object
    ) -> TlsListener:
        """Listen for TLS connections on a socket, and return the listener.

        Called by uvicorn in place of the event loop's `create_server`. `make` makes the protocol of a connection. A TLS
        handshake must be complete within `ConnectionLimits.head_seconds`.
        """

        def make_after_handshake(handshake: Handshake) -> EncryptedHttpProtocol:
            protocol = make()
            protocol.handshake = handshake
            return protocol

        protocol_class = cast("type[HttpProtocol]", self.config.http_protocol_class)
        terms = Terms(ssl, protocol_class.room.limits.head_seconds, LINGER)
        state = self.server_state
        return TlsListener(
            make_after_handshake, terms, HandshakeRoom(protocol_class.room, state.connections), state.tasks, sock
        )

    @staticmethod
    def _renew(certificate: Certificate) -> None:
        """Read the certificate's files again, and log whether they can be used. If not, the old certificate is kept.

        Called on SIGHUP, which says that the files have changed.
        """
        try:
            certificate.read()
        except SettingsError as error:
            log.error("certificate.refused", error=str(error))
        else:
            log.info("certificate.read", pid=os.getpid())

    async def main_loop(self) -> None:
        """Serve until a signal comes, and trim the heap when many connections have left.

        This loop wakes once a second, and when a signal comes. uvicorn's own loop would wake ten times a second, which
        keeps an idle machine awake.
        """
        loop = self._loop = asyncio.get_running_loop()
        departures = heap.Departures()
        # If its argument is 0, `on_tick` also makes the Date header anew.
        while not await self.on_tick(0):
            if departures.many(len(self.server_state.connections), loop.time()):
                loop.run_in_executor(None, heap.trim)
            with suppress(TimeoutError):
                async with asyncio.timeout(SECOND):
                    await self._ending.wait()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Handle a signal to end. After the first such signal, the server accepts no new viewers, and drains.

        After a second signal (SIGINT or SIGTERM), the server ends without waiting for viewers or requests.
        """
        if self.should_exit:
            self.force_exit = True
        elif self.started:
            self._interrupted = sig == signal.SIGINT
            self._app.state.services.hub.begin_draining()
        super().handle_exit(sig, frame)
        if self._loop is not None:
            # From a signal handler, only a call that is thread-safe wakes an event loop that waits.
            self._loop.call_soon_threadsafe(self._ending.set)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain, and then run uvicorn's shutdown.

        The drain comes first, because uvicorn's shutdown begins by closing the listening socket and ending WebSockets.
        Until the viewers have gone, the server answers all requests except requests of new viewers. So a load balancer
        has time to notice that the server ends.
        """
        start = time.monotonic()
        parts = self._app.state.services
        window = min(parts.settings.drain, CTRL_C_SECONDS) if self._interrupted else parts.settings.drain
        log.info("server.stopping", viewers=len(parts.hub.viewers()), drain=window)
        if self._work is not None:
            self._work.cancel()
            await asyncio.wait([self._work])
        leaving = asyncio.create_task(farewell(parts.hub, window))
        while not leaving.done() and not self.force_exit:
            await asyncio.wait([leaving], timeout=TICK)
        leaving.cancel()
        [outcome] = await asyncio.gather(leaving, return_exceptions=True)
        if isinstance(outcome, Exception):
            log.error("server.farewell_failed", exc_info=outcome)
        if self.config.timeout_graceful_shutdown is not None:
            # The seconds of the drain are taken from the time that requests under way have.
            spent = round(time.monotonic() - start)
            self.config.timeout_graceful_shutdown = max(1, self.config.timeout_graceful_shutdown - spent)
        await super().shutdown(sockets)
        if self.force_exit:
            # After a second signal, uvicorn doesn't shut the application down. But the store must be closed properly.
            with suppress(TimeoutError):
                async with asyncio.timeout(FORCED_SECONDS):
                    await self.lifespan.shutdown()
        log.info("server.stopped", seconds=round(time.monotonic() - start, 1), forced=self.force_exit, pid=os.getpid())


def exhausted(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Handle an error in the event loop that no code has caught.

    If descriptors or memory ran out while a connection was accepted, the error is only counted, as a refusal. Such an
    error can come very often, and the event loop's own handler would log it each time, with a traceback of some
    kilobytes. All other errors are given to the event loop's own handler.
    """
    error = context.get("exception")
    if isinstance(error, OSError) and error.errno in EXHAUSTED and not {"task", "future"} & context.keys():
        refusals.note(Reason.TOO_MANY_CONNECTIONS, why=error.strerror)
    else:
        loop.default_exception_handler(context)
