"""Running the server: the socket, uvicorn, the order of the end, and several processes."""

from __future__ import annotations

import asyncio
import errno
import gc
import multiprocessing
import multiprocessing.connection
import os
import resource
import signal
import socket
import sys
import threading
import time
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING, Any, cast

import structlog
import uvicorn

from liveserver.content.media import storage
from liveserver.content.translations import read_languages
from liveserver.domain.errors import SettingsError
from liveserver.realtime.transport import batch_send
from liveserver.realtime.transport.viewers import LINGER
from liveserver.rendering.renderer import Renderer
from liveserver.server import heap, log_config
from liveserver.server.app import create_app
from liveserver.server.certificates import Certificate
from liveserver.server.connection_limit import UNLIMITED, capacity
from liveserver.server.drain import farewell
from liveserver.server.protocols.tls_listener import EXHAUSTED, Terms, TlsListener
from liveserver.server.protocols.viewer_protocol import ConnectionLimits, Places, limited
from liveserver.settings import database_of, unknown_settings, unreadable_lines
from liveserver.store import Store
from liveserver.store.database import check
from liveserver.store.file_lock import alone
from liveserver.utils.limits.refusals import Reason, refusals

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from multiprocessing.context import SpawnProcess
    from ssl import SSLContext
    from types import FrameType

    from starlette.applications import Starlette

    from liveserver.http.container import Container
    from liveserver.server.protocols.tls_listener import Handshake
    from liveserver.server.protocols.viewer_protocol import EncryptedHttpProtocol, HttpProtocol
    from liveserver.settings import Settings

    Beside = Callable[[Container], Coroutine[object, object, None]]

BACKLOG = 4096
ACCEPTORS = 8
"""Connections accepted in one turn of the event loop. uvloop takes one from each listening descriptor, and a turn in
which a row of viewers is written to takes milliseconds."""
GC_THRESHOLD = 50_000
"""Objects more than before, until the collector looks for cycles again."""
SEND_BUFFER = 64 * 1024
"""Bytes in the kernel for one connection (Linux doubles it, for its own bookkeeping)."""
CTRL_C_SECONDS = 1.0
"""What the drain window shrinks to for somebody who sits at the terminal and waits."""
SECOND = 1.0
"""How long the Date header is good for."""
TICK = 0.1
"""Seconds between looks whether a second signal has come."""
FORCED_SECONDS = 2.0
"""How long the database may take to be closed after a second signal."""
OVERTIME = 5.0
"""Seconds after all that a process may wait for at its end, until it is killed."""
RESTART_PAUSE = 1.0
"""Seconds before a process that died is replaced, so that one that can't start doesn't fill the log."""

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
        terms = Terms(ssl, kind.limits.head_seconds, LINGER)
        state = self.server_state
        return TlsListener(after, terms, Places(kind, state.connections), state.tasks, sock)

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
        self._loop = asyncio.get_running_loop()
        # With 0, `on_tick` also brings the Date header up to date.
        while not await self.on_tick(0):
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


def serve(settings: Settings, *, beside: Beside | None = None) -> None:
    """Run until SIGINT or SIGTERM. Raises SettingsError if the server can't start.

    `beside` runs on the event loop while connections are accepted, and is cancelled before the server's parts are
    closed; with several workers it never runs.
    """
    log_config.configure(settings)
    if unreadable := unreadable_lines():
        log.warning("settings.unreadable", lines=unreadable)
    if unknown := unknown_settings():
        log.warning("settings.unknown", meant=unknown)
    if settings.tls_certificate is not None:
        # Until somebody heeds it, a signal to read the certificate again would end us.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    # Before the lock is made beside it, which would stay.
    check(settings.database_url)
    with _listen(settings) as listener, _alone(settings):
        settings = settings.model_copy(update={"port": listener.getsockname()[1]})
        # What is wrong with the database is told once, in one line, and before any process is started for it.
        asyncio.run(_check(settings))
        if settings.workers == 1:
            _run(settings, listener, beside)
        else:
            _supervise(settings, listener)


async def _check(settings: Settings) -> None:
    _certificate(settings)
    Renderer(public_url=settings.base_url)
    storage.check(settings)
    await (await Store.open(settings.database_url)).close()


def _certificate(settings: Settings) -> Certificate | None:
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    return Certificate(settings.tls_certificate, settings.tls_key)


def _run(settings: Settings, listener: socket.socket, beside: Beside | None = None) -> None:
    heap.give_back()
    app = create_app(settings)
    room = capacity(descriptors(), most=settings.max_connections, database_pool=settings.database_pool)
    certificate = _certificate(settings)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=True,
        # uvicorn knows the star by itself only.
        forwarded_allow_ips="*" if "*" in settings.forwarded_allow_ips else settings.forwarded_allow_ips,
        ws="liveserver.viewer_protocol:ViewerProtocol",
        ws_max_size=4096,
        http=limited(
            ConnectionLimits(settings.head_timeout, settings.body_timeout, room.connections, room.streams),
            encrypted=certificate is not None,
        ),
        timeout_graceful_shutdown=max(1, round(settings.graceful_timeout)),
        backlog=BACKLOG,
        # Of requests in a row on one connection each has its own: what is noted of who makes one isn't the next one's.
        reset_contextvars=True,
        ssl_context_factory=None if certificate is None else lambda _config, _default: certificate.context,
    )

    if not settings.io_uring:
        batch_send.one_by_one()

    def started(parts: Container) -> None:
        log.info(
            "server.started",
            url=settings.base_url,
            listening=_listening(settings),
            database=database_of(settings),
            pid=os.getpid(),
        )

    # A socket that came from another process doesn't know that it is non-blocking, and its copies would make it block:
    # in all processes that share it, whose event loops would then stand still in `accept`.
    listener.setblocking(False)
    with _quiet_end():
        server = Server(config, app, started, beside, certificate)
        server.run([listener, *(listener.dup() for _ in range(ACCEPTORS - 1))])


@contextmanager
def _quiet_end() -> Iterator[None]:
    """uvicorn raises the signal that ended it once more; by then everything is closed, and the end is a clean one."""
    handlers = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


@contextmanager
def _listen(settings: Settings) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Connections inherit these. The kernel's buffer is a queue too, of megabytes if left to grow, in which a slow
        # viewer's lag would hide; and a peer that takes nothing for so long is cut off by the kernel, as a transport
        # that is asked to close waits for its buffer to be read.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        if sys.platform == "linux":
            patience = round(settings.lag_timeout * 1000)
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, patience)
        try:
            listener.bind((settings.host, settings.port))
            listener.listen(BACKLOG)
        except (OSError, OverflowError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
                reason = f"{reason}: give another port with --port (LIVESERVER_PORT)"
            raise SettingsError(f"can't listen on {settings.host}:{settings.port}: {reason}") from None
        listener.setblocking(False)
        yield listener


def _listening(settings: Settings) -> str:
    return f"[{settings.host}]:{settings.port}" if ":" in settings.host else f"{settings.host}:{settings.port}"


def _alone(settings: Settings) -> AbstractContextManager[None]:
    """Without Redis, one server to a SQLite file: a second one's readers would not hear of the first one's changes."""
    if settings.redis_url is not None:
        return nullcontext()
    complaint = f"another server runs on {settings.database_url}: more than one process needs Redis"
    return alone(settings.database_url, f"{complaint} (--redis, LIVESERVER_REDIS_URL)")


def _worker(settings: Settings, listener: socket.socket) -> None:
    log_config.configure(settings)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        _run(settings, listener)
    except SettingsError as error:
        sys.exit(f"liveserver: {error}")


def _end_with_parent() -> None:
    """Killed without a chance to tell us, the first process must not leave us behind, holding the port."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


def _supervise(settings: Settings, listener: socket.socket) -> None:
    """Keep the processes running; one that dies is replaced. They share the listening socket."""
    context = multiprocessing.get_context("spawn")
    # Started later, it would undo the blocking of signals below.
    resource_tracker.ensure_running()
    processes: list[SpawnProcess] = []
    stopping = False
    blocked = {signal.SIGINT}

    def start() -> None:
        process = context.Process(target=_worker, args=(settings, listener))
        # Ctrl+C at a terminal goes to every process of the group. Only we act on it, and then tell the others.
        signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, blocked)
        processes.append(process)
        if stopping:
            process.terminate()

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopping
        # The second time, too: the processes know what it means.
        stopping = True
        for process in processes:
            process.terminate()
        signal.setitimer(signal.ITIMER_REAL, max(settings.drain, settings.graceful_timeout) + OVERTIME)

    def pass_on(number: int, frame: FrameType | None) -> None:
        for process in processes:
            if process.pid is not None and process.is_alive():
                os.kill(process.pid, number)

    def kill(number: int, frame: FrameType | None) -> None:
        for process in processes:
            log.error("worker.killed", pid=process.pid)
            process.kill()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    signal.signal(signal.SIGALRM, kill)
    if settings.tls_certificate is not None:
        blocked.add(signal.SIGHUP)
        signal.signal(signal.SIGHUP, pass_on)
    for _ in range(settings.workers):
        start()
    while processes:
        multiprocessing.connection.wait([process.sentinel for process in processes])
        for process in [process for process in processes if not process.is_alive()]:
            process.join()
            processes.remove(process)
            if not stopping:
                log.error("worker.died", pid=process.pid, exit_code=process.exitcode)
                time.sleep(RESTART_PAUSE)
            # The signal may have come during the pause.
            if not stopping:
                start()


def descriptors() -> int:
    """How many files and sockets this process may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return UNLIMITED if soft == resource.RLIM_INFINITY else soft
