"""A process that holds viewers: what it is told, what it does, what it reports."""

from __future__ import annotations

import asyncio
import gc
import math
import random
import signal
import socket
import ssl
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from liveserver.cli.bench import machine_limits
from liveserver.cli.bench.measuring.histogram import Measurements, Second
from liveserver.cli.bench.viewers.viewer import Meanings, Viewer
from liveserver.utils.background import BackgroundTasks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection

    from liveserver.cli.bench.viewers.handshake import Opening
    from liveserver.cli.bench.viewers.messages import Mark

REPORT_EVERY = 0.5
HANDSHAKES = 200
"""Handshakes that may be under way at once, all processes together."""
OPEN_SECONDS = 30.0
TRIES = 3
"""Attempts to connect a viewer for the first time."""
PAUSE_MAX = 10.0
LEAVE_SECONDS = 2.0
TICK = 0.02
REASONS = 20
"""Different reasons for failures that are told apart."""


@dataclass(frozen=True)
class Orders:
    """What a process is to do. Everything in it can be pickled."""

    opening: Opening
    greeted: bool
    """The server says `hello`."""
    address: tuple[str, int]
    """The server's IP address and port."""
    tls_name: str | None
    """The name that its certificate must bear; None: no TLS."""
    many_sources: bool
    """Connections may come from several addresses of the loopback network."""
    viewers: range
    """The numbers of the viewers held by this process."""
    of: int
    """The viewers of all processes."""
    handshakes: int
    run: str
    """The marks of this run's entries."""
    origin: float
    """Second 0 on the monotonic clock."""


class Connect(NamedTuple):
    """Connect all viewers: the first at `at` (monotonic), the last `ramp` seconds later."""

    at: float
    ramp: float


class Finish(NamedTuple):
    """The last change is `seq`: count who has it."""

    seq: int


class Stop(NamedTuple):
    """Leave, report once more, and end."""


class Report(NamedTuple):
    """How things stand in one process, since its beginning."""

    measurements: Measurements
    seconds: dict[int, Second]
    """What each second since the last report but one has come to."""
    settled: bool
    """Every viewer was opened or has given up."""
    final: int
    """The last change, by which `behind` was counted; -1: not told yet."""
    last: bool


class Worker:
    """The viewers of one process. It is their `Audience`."""

    def __init__(self, orders: Orders, send: Callable[[Report], None]) -> None:
        self.opening = orders.opening
        self.greeted = orders.greeted
        self.measurements = Measurements()
        self.meanings = Meanings()
        self._orders = orders
        self._send = send
        self._viewers = [Viewer(number, self) for number in orders.viewers]
        self._opened: dict[Viewer, asyncio.Future[bool]] = {}
        """Viewers that are being connected for the first time."""
        self._seconds: dict[int, Second] = {}
        self._current = Second()
        self._current_end = 0.0
        """When the second under way is over, on the monotonic clock."""
        self._tasks = BackgroundTasks()
        self._settled = False
        self._final = -1
        self._stopping = asyncio.Event()
        self._here = 0
        """Viewers that are still to leave, at the end."""
        self._left = asyncio.Event()
        self._failure: BaseException | None = None
        self._tls = None if orders.tls_name is None else ssl.create_default_context()

    def order(self, order: Connect | Finish | Stop) -> None:
        """Do what the first process says."""
        match order:
            case Connect():
                self._start(self._connect(order))
            case Finish(seq):
                self._final = seq
                self._report()
            case Stop():
                self._stopping.set()

    async def run(self) -> None:
        """Report until it is over."""
        while not self._stopping.is_set():
            self._report()
            with suppress(TimeoutError):
                async with asyncio.timeout(REPORT_EVERY):
                    await self._stopping.wait()
        await self._tasks.close()
        if self._failure is not None:
            raise self._failure
        self._report(last=True)
        for viewer in self._viewers:
            viewer.leave("left", code=1000)
        self._here = sum(not viewer.away for viewer in self._viewers)
        if self._here:
            with suppress(TimeoutError):
                async with asyncio.timeout(LEAVE_SECONDS):
                    await self._left.wait()

    def arrived(self, mark: Mark | None) -> None:
        """A viewer got a change."""
        now = time.monotonic()
        self.measurements.arrived_at = now
        second = self._current
        if now >= self._current_end:
            second = self._second(now)
        second.delivered += 1
        if mark is not None and mark.run == self._orders.run:
            second.latency.add(now - mark.sent)

    def began(self, viewer: Viewer) -> None:
        """A viewer's stream has begun, for the first time or again."""
        waiting = self._opened.get(viewer)
        if waiting is None:
            self.measurements.reconnects += 1
        elif not waiting.done():
            self.measurements.opened += 1
            self.measurements.opened_at = time.monotonic()
            waiting.set_result(True)

    def ended(self, viewer: Viewer, reason: str, pause: float | None) -> None:
        """A viewer's connection is gone."""
        if self._stopping.is_set():
            self._here -= 1
            if not self._here:
                self._left.set()
            return
        self._blame(reason)
        waiting = self._opened.get(viewer)
        if waiting is not None:
            if not waiting.done():
                waiting.set_result(False)
        elif viewer.start >= 0 and pause != math.inf:
            self._start(self._come_back(viewer, pause))

    async def _connect(self, order: Connect) -> None:
        """Open every viewer, so many at once."""
        numbered = iter(self._viewers)
        async with asyncio.TaskGroup() as group:
            for _ in range(min(self._orders.handshakes, len(self._viewers))):
                group.create_task(self._open_next(numbered, order))
        self._settled = True
        self._report()
        await self._watch_the_clock()

    async def _watch_the_clock(self) -> None:
        """Find out how late this process notices things: so much of every latency is its own."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + TICK
            await asyncio.sleep(TICK)
            self.measurements.lateness.add(loop.time() - due)

    async def _open_next(self, viewers: Iterator[Viewer], order: Connect) -> None:
        for viewer in viewers:
            due = order.at + order.ramp * viewer.number / self._orders.of
            await asyncio.sleep(max(due - time.monotonic(), 0))
            await self._open(viewer)

    async def _open(self, viewer: Viewer) -> None:
        for attempt in range(1, TRIES + 1):
            opened = self._opened[viewer] = asyncio.get_running_loop().create_future()
            try:
                if await self._dial(viewer):
                    await asyncio.wait([opened], timeout=OPEN_SECONDS)
                    if not opened.done():
                        viewer.abandon("no answer in time")
                    if await opened:
                        return
            finally:
                del self._opened[viewer]
            if attempt < TRIES:
                await asyncio.sleep(random.uniform(0, attempt))
        self.measurements.failed += 1

    async def _come_back(self, viewer: Viewer, pause: float | None) -> None:
        """Connect a viewer again, as a reader's page does: with back-off, from where it stands."""
        wait = 1.0
        while viewer.away:
            await asyncio.sleep(random.uniform(0, wait) if pause is None else pause)
            pause = None
            wait = min(wait * 2, PAUSE_MAX)
            await self._dial(viewer)

    async def _dial(self, viewer: Viewer) -> bool:
        """Make a connection for the viewer. The stream is not yet open then."""
        orders = self._orders
        loop = asyncio.get_running_loop()
        self.measurements.tries += 1
        family = socket.AF_INET6 if ":" in orders.address[0] else socket.AF_INET
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.setblocking(False)
            if orders.many_sources:
                # The port is chosen with the connection: otherwise it would have to be free for every destination.
                connection.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
                connection.bind((machine_limits.source_of(viewer.number), 0))
            async with asyncio.timeout(OPEN_SECONDS):
                await loop.sock_connect(connection, orders.address)
                name = orders.tls_name
                await loop.create_connection(lambda: viewer, sock=connection, ssl=self._tls, server_hostname=name)
        except OSError as error:
            connection.close()
            self._blame("no answer in time" if isinstance(error, TimeoutError) else error.strerror or str(error))
            return False
        except BaseException:
            connection.close()
            raise
        return True

    def _blame(self, reason: str) -> None:
        errors = self.measurements.errors
        errors[reason if reason in errors or len(errors) < REASONS else "other"] += 1

    def _start(self, work: Any) -> None:
        self._tasks.spawn(work).add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (failure := task.exception()) is not None:
            self._failure = failure
            self._stopping.set()

    def _second(self, now: float) -> Second:
        number = int(now - self._orders.origin)
        second = self._seconds.get(number)
        if second is None:
            second = self._seconds[number] = Second()
        self._current, self._current_end = second, self._orders.origin + number + 1
        return second

    def _report(self, *, last: bool = False) -> None:
        now = time.monotonic()
        self._second(now).following = self.measurements.following
        self.measurements.cpu = time.process_time()
        self.measurements.behind = sum(viewer.start >= 0 and viewer.seq < self._final for viewer in self._viewers)
        lost = self.measurements.lost
        if last and self._final >= 0:
            lost += sum(max(self._final - viewer.seq, 0) for viewer in self._viewers if viewer.start >= 0)
        measurements = replace(self.measurements, lost=lost, errors=Counter(self.measurements.errors))
        self._send(Report(measurements, dict(self._seconds), self._settled, self._final, last))
        # What lies so far back won't change any more, and has been reported.
        current = int(now - self._orders.origin)
        for number in [number for number in self._seconds if number < current - 1]:
            del self._seconds[number]


IP_BIND_ADDRESS_NO_PORT = 24
"""linux/in.h; the socket module doesn't have it before Python 3.14."""


def main(orders: Orders, connection: Connection) -> None:
    """Be that process, until it is told to stop or the first process is gone."""
    # Ctrl+C at a terminal goes to every process; the first one tells what follows from it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    machine_limits.raise_open_files()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_attend(orders, connection))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _attend(orders: Orders, connection: Connection) -> None:
    worker = Worker(orders, connection.send)

    def listen() -> None:
        try:
            while connection.poll():
                worker.order(connection.recv())
        except (EOFError, OSError):
            worker.order(Stop())

    # What viewers are made of stays; looking through it again and again would cost more than all else.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000)
    asyncio.get_running_loop().add_reader(connection.fileno(), listen)
    with suppress(BrokenPipeError):
        await worker.run()
