"""uvicorn's server with a drain: viewers leave before uvicorn's shutdown cuts them off."""

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
    """A coroutine function that gets the server's parts, and runs on the event loop beside the server."""

GC_THRESHOLD = 50_000
"""New objects after which the garbage collector looks for cycles again."""
CTRL_C_SECONDS = 1.0
"""The longest drain, in seconds, after Ctrl+C: somebody sits at the terminal and waits."""
SECOND = 1.0
"""Seconds for which the Date header is good."""
TICK = 0.1
"""Seconds between checks for a second signal."""
FORCED_SECONDS = 2.0
"""Seconds to close the database after a second signal."""

log = structlog.get_logger(__name__)


class Server(uvicorn.Server):
    """uvicorn's server, which drains before its own shutdown, and accepts TLS connections by `TlsListener`."""

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
        """True if the first signal was Ctrl+C."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending = asyncio.Event()
        """Set by a signal."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start accepting connections, and call `on_start`."""
        asyncio.get_running_loop().set_exception_handler(exhausted)
        if self._certificate is not None:
            # uvicorn calls this for each listening socket.
            asyncio.get_running_loop().create_server = self._listen  # type: ignore[method-assign,assignment]
        await super().startup(sockets)
        if self.started:
            read_languages()
            # Objects made by start-up stay for good: going through them at every collection would cost each connect a
            # third of its time. Short-lived objects are freed by their reference counts.
            gc.collect()
            gc.freeze()
            gc.set_threshold(GC_THRESHOLD)
            if self._certificate is not None:
                asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._renew, self._certificate)
                # A worker starts with this signal blocked, and may have been sent it already.
                signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
            parts = self._app.state.services
            self._on_start(parts)
            if self._beside is not None:
                self._work = asyncio.create_task(self._beside(parts))

    async def _listen(
        self, make: Callable[[], EncryptedHttpProtocol], *, sock: socket.socket, ssl: SSLContext, **_: object
    ) -> TlsListener:
        """Listen for TLS connections. A handshake has as much time as a request's head."""

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
        """Read the certificate again: SIGHUP says that there is a newer one."""
        try:
            certificate.read()
        except SettingsError as error:
            log.error("certificate.refused", error=str(error))
        else:
            log.info("certificate.read", pid=os.getpid())

    async def main_loop(self) -> None:
        """Serve until a signal comes. uvicorn's own loop looks ten times a second, which wakes an idle machine."""
        loop = self._loop = asyncio.get_running_loop()
        departures = heap.Departures()
        # With 0, `on_tick` also brings the Date header up to date.
        while not await self.on_tick(0):
            if departures.many(len(self.server_state.connections), loop.time()):
                loop.run_in_executor(None, heap.trim)
            with suppress(TimeoutError):
                async with asyncio.timeout(SECOND):
                    await self._ending.wait()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end: the server isn't ready from now on. A second signal, whichever it is, ends it at once."""
        if self.should_exit:
            self.force_exit = True
        elif self.started:
            self._interrupted = sig == signal.SIGINT
            self._app.state.services.hub.begin_draining()
        super().handle_exit(sig, frame)
        if self._loop is not None:
            # In a signal handler, only this wakes a waiting loop.
            self._loop.call_soon_threadsafe(self._ending.set)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain, then run uvicorn's shutdown.

        uvicorn's shutdown begins by closing the listening socket and cutting WebSockets off. So it comes last: until
        the viewers have gone, all but new viewers is served, and a load balancer has time to notice.
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
            # The drain counts towards the time that requests have.
            spent = round(time.monotonic() - start)
            self.config.timeout_graceful_shutdown = max(1, self.config.timeout_graceful_shutdown - spent)
        await super().shutdown(sockets)
        if self.force_exit:
            # uvicorn leaves this out, but the database is to be closed properly.
            with suppress(TimeoutError):
                async with asyncio.timeout(FORCED_SECONDS):
                    await self.lifespan.shutdown()
        log.info("server.stopped", seconds=round(time.monotonic() - start, 1), forced=self.force_exit, pid=os.getpid())


def exhausted(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Handle an error that nobody has caught; if descriptors or memory ran out, count it as a refusal.

    The event loops would log each such error with a traceback of some kilobytes.
    """
    error = context.get("exception")
    if isinstance(error, OSError) and error.errno in EXHAUSTED and not {"task", "future"} & context.keys():
        refusals.note(Reason.TOO_MANY_CONNECTIONS, why=error.strerror)
    else:
        loop.default_exception_handler(context)
