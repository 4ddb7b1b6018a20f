"""uvicorn's server, which drains: viewers leave before its own shutdown cuts them off."""

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
    """What runs on the event loop beside the server, with its parts."""

GC_THRESHOLD = 50_000
"""Objects more than before, until the collector looks for cycles again."""
CTRL_C_SECONDS = 1.0
"""What the drain window shrinks to for somebody who sits at the terminal and waits."""
SECOND = 1.0
"""How long the Date header is good for."""
TICK = 0.1
"""Seconds between looks whether a second signal has come."""
FORCED_SECONDS = 2.0
"""How long the database may take to be closed after a second signal."""

log = structlog.get_logger(__name__)


class Server(uvicorn.Server):
    """uvicorn's server, which takes leave of the viewers before its own shutdown cuts them off."""

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
        """Ctrl+C was the first signal."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending = asyncio.Event()
        """Set by a signal."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and tell."""
        asyncio.get_running_loop().set_exception_handler(exhausted)
        if self._certificate is not None:
            # uvicorn asks the event loop for each listening socket.
            asyncio.get_running_loop().create_server = self._listen  # type: ignore[method-assign,assignment]
        await super().startup(sockets)
        if self.started:
            read_languages()
            # What start-up has made stays for good; going through it at every collection would cost each connect a
            # third of its time. What comes and goes is freed by its reference count.
            gc.collect()
            gc.freeze()
            gc.set_threshold(GC_THRESHOLD)
            if self._certificate is not None:
                asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._renew, self._certificate)
                # A worker is started with it blocked, and may have been sent it already.
                signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
            parts = self._app.state.services
            self._on_start(parts)
            if self._beside is not None:
                self._work = asyncio.create_task(self._beside(parts))

    async def _listen(
        self, made: Callable[[], EncryptedHttpProtocol], *, sock: socket.socket, ssl: SSLContext, **_: object
    ) -> TlsListener:
        """Accept connections of which each begins with a handshake; the time for a head is its time, too."""

        def after(handshake: Handshake) -> EncryptedHttpProtocol:
            protocol = made()
            protocol.handshake = handshake
            return protocol

        kind = cast("type[HttpProtocol]", self.config.http_protocol_class)
        terms = Terms(ssl, kind.room.limits.head_seconds, LINGER)
        state = self.server_state
        return TlsListener(after, terms, HandshakeRoom(kind.room, state.connections), state.tasks, sock)

    @staticmethod
    def _renew(certificate: Certificate) -> None:
        """Read the certificate again, as somebody has put a newer one there."""
        try:
            certificate.read()
        except SettingsError as error:
            log.error("certificate.refused", error=str(error))
        else:
            log.info("certificate.read", pid=os.getpid())

    async def main_loop(self) -> None:
        """Serve until it is time to end. uvicorn's looks ten times a second; each look wakes an idle machine."""
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
        """Not ready from this moment on. A second signal, whichever it is, ends it at once."""
        if self.should_exit:
            self.force_exit = True
        elif self.started:
            self._interrupted = sig == signal.SIGINT
            self._app.state.services.hub.begin_draining()
        super().handle_exit(sig, frame)
        if self._loop is not None:
            # From a signal's handler: only this wakes a loop that waits.
            self._loop.call_soon_threadsafe(self._ending.set)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Send the viewers off, then end what uvicorn has running.

        uvicorn begins by closing the listening socket and cutting WebSockets off. So it comes last: until the viewers
        have gone, everything but new viewers is served, and a balancer has the time to notice.
        """
        begun = time.monotonic()
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
            # Requests have had the window's time too.
            spent = round(time.monotonic() - begun)
            self.config.timeout_graceful_shutdown = max(1, self.config.timeout_graceful_shutdown - spent)
        await super().shutdown(sockets)
        if self.force_exit:
            # The database is still closed properly, which uvicorn leaves out.
            with suppress(TimeoutError):
                async with asyncio.timeout(FORCED_SECONDS):
                    await self.lifespan.shutdown()
        log.info("server.stopped", seconds=round(time.monotonic() - begun, 1), forced=self.force_exit, pid=os.getpid())


def exhausted(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Handle what nobody has caught: of a connection for which no descriptor or memory is left, one line in a while.

    The loops tell of each with a traceback of some kilobytes.
    """
    error = context.get("exception")
    if isinstance(error, OSError) and error.errno in EXHAUSTED and not {"task", "future"} & context.keys():
        refusals.note(Reason.TOO_MANY_CONNECTIONS, why=error.strerror)
    else:
        loop.default_exception_handler(context)
