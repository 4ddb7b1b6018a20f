"""A worker process, which runs viewers: the commands to this process, its work, and its reports."""

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
"""Seconds between two reports of a worker process."""
HANDSHAKES = 200
"""How many viewers may be connecting at the same time, in all processes together."""
OPEN_SECONDS = 30.0
"""The greatest number of seconds until a connection is made. For a viewer that never had a stream, also the greatest
number of seconds from the connection until the stream begins."""
TRIES = 3
"""The greatest number of attempts to connect a viewer for the first time. If all attempts fail, the viewer gives up."""
PAUSE_MAX = 10.0
"""The greatest number of seconds between two attempts of a viewer to connect again, if the server names no pause."""
LEAVE_SECONDS = 2.0
"""The greatest number of seconds that a worker process waits at its end until all its viewers have closed their
connections."""
TICK = 0.02
"""Seconds between two measurements of how late the process runs its timers."""
REASONS = 20
"""How many reasons for a connection's failure or end a worker process counts separately. Each further reason is counted
as `other`."""


@dataclass(frozen=True)
class Orders:
    """The instructions that a worker process gets when `liveserver bench` starts it. They must be picklable."""

    opening: Opening
    greeted: bool
    """True if the server sends `hello`."""
    address: tuple[str, int]
    """The server's IP address and port."""
    tls_name: str | None
    """The name that the server's certificate must have; None if the server is reached without TLS."""
    many_sources: bool
    """True if the viewers can connect from several source addresses, as the server is on the loopback network."""
    viewers: range
    """The numbers of the viewers that this process runs."""
    of: int
    """How many viewers all processes have together."""
    handshakes: int
    """How many viewers of this process may be connecting at the same time."""
    run: str
    """The run's id, which is in the marks of the run's entries."""
    origin: float
    """When second 0 of the run begins, in seconds of the monotonic clock."""


class Connect(NamedTuple):
    """The command to connect all viewers. The first viewer connects at the time `at` (monotonic clock), and the last
    viewer `ramp` seconds later."""

    at: float
    ramp: float


class Finish(NamedTuple):
    """The command to count, in this and each later report, the viewers that have followed, but haven't got the live
    blog's last change. `seq`: the seq of this change."""

    seq: int


class Stop(NamedTuple):
    """The command to report once more, let all viewers leave, and end."""


class Report(NamedTuple):
    """A report of one worker process."""

    measurements: Measurements
    """The counts of the process's connections, changes, bytes, delays and errors since it began."""
    seconds: dict[int, Second]
    """The deliveries, latencies and following viewers that the process counted in each second, by the number of the
    second in the run. Seconds that can't have changed since the process's previous report are left out."""
    settled: bool
    """True if each viewer of the process has either been connected or given up connecting."""
    final: int
    """The seq of the live blog's last change; -1 if the process hasn't got the command `Finish` yet.
    `measurements.behind` counts the viewers that have followed, but haven't got this change."""
    last: bool
    """True if this is the last report of the process."""


class Worker:
    """The manager of the viewers of one worker process. The viewers report to this object: it is their `ViewerEvents`.

    `send`: sends a report to the first process, which runs `liveserver bench`.
    """

    def __init__(self, orders: Orders, send: Callable[[Report], None]) -> None:
        self.opening = orders.opening
        self.greeted = orders.greeted
        self.measurements = Measurements()
        self.meanings = Meanings()
        self._orders = orders
        self._send = send
        self._viewers = [Viewer(number, self) for number in orders.viewers]
        self._opened: dict[Viewer, asyncio.Future[bool]] = {}
        """The viewers that are being connected for the first time, each with a future. The future gets True when the
        viewer's stream begins, and False if the connection ends before that."""
        self._seconds: dict[int, Second] = {}
        self._current = Second()
        self._current_end = 0.0
        """The end of the second that `_current` counts: a time on the monotonic clock."""
        self._tasks = BackgroundTasks()
        self._settled = False
        self._final = -1
        self._stopping = asyncio.Event()
        self._remaining = 0
        """How many viewers still have a connection, while the process ends. Before that, this number isn't kept."""
        self._left = asyncio.Event()
        self._failure: BaseException | None = None
        self._tls = None if orders.tls_name is None else ssl.create_default_context()

    def order(self, order: Connect | Finish | Stop) -> None:
        """Carry out a command that came from the first process."""
        match order:
            case Connect():
                self._start(self._connect(order))
            case Finish(seq):
                self._final = seq
                self._report()
            case Stop():
                self._stopping.set()

    async def run(self) -> None:
        """Send reports until the command `Stop` comes; then send the last report, and let all viewers leave.

        If one of the worker's tasks failed, ends early and raises the error of this task.
        """
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
        self._remaining = sum(not viewer.away for viewer in self._viewers)
        if self._remaining:
            with suppress(TimeoutError):
                async with asyncio.timeout(LEAVE_SECONDS):
                    await self._left.wait()

    def arrived(self, mark: Mark | None) -> None:
        """Count a change that a viewer got now. If the change's mark is of this run, also count the latency: the time
        since the entry was sent."""
        now = time.monotonic()
        self.measurements.arrived_at = now
        second = self._current
        if now >= self._current_end:
            second = self._second(now)
        second.delivered += 1
        if mark is not None and mark.run == self._orders.run:
            second.latency.add(now - mark.sent)

    def began(self, viewer: Viewer) -> None:
        """Count that a viewer's stream has begun, for the first time or again."""
        waiting = self._opened.get(viewer)
        if waiting is None:
            self.measurements.reconnects += 1
        elif not waiting.done():
            self.measurements.opened += 1
            self.measurements.opened_at = time.monotonic()
            waiting.set_result(True)

    def ended(self, viewer: Viewer, reason: str, pause: float | None) -> None:
        """Count the end of a viewer's connection, by its reason.

        If the viewer has followed before and may connect again, connect it again. While the process is ending, only
        count down the viewers that still have a connection.
        """
        if self._stopping.is_set():
            self._remaining -= 1
            if not self._remaining:
                self._left.set()
            return
        self._blame(reason)
        waiting = self._opened.get(viewer)
        if waiting is not None and not waiting.done():
            waiting.set_result(False)
        elif viewer.start >= 0 and pause != math.inf:
            self._start(self._come_back(viewer, pause))

    async def _connect(self, order: Connect) -> None:
        """Connect every viewer for the first time, and then call `_watch_the_clock`, which never returns.

        `Orders.handshakes` limits how many viewers are connecting at the same time.
        """
        numbered = iter(self._viewers)
        async with asyncio.TaskGroup() as group:
            for _ in range(min(self._orders.handshakes, len(self._viewers))):
                group.create_task(self._open_next(numbered, order))
        self._settled = True
        self._report()
        await self._watch_the_clock()

    async def _watch_the_clock(self) -> None:
        """Measure for ever how late this process runs its timers. This delay is a part of each latency that is
        measured, but the server doesn't cause it."""
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
        """Connect a viewer again, as a reader's page does. The stream goes on from the viewer's position.

        There is a pause before each attempt. `pause`: the seconds of the first pause, if the server named them. None:
        the first pause is random, as all later pauses are. The greatest length of a random pause doubles with each
        attempt, up to `PAUSE_MAX`.
        """
        wait = 1.0
        while viewer.away:
            await asyncio.sleep(random.uniform(0, wait) if pause is None else pause)
            pause = None
            wait = min(wait * 2, PAUSE_MAX)
            await self._dial(viewer)

    async def _dial(self, viewer: Viewer) -> bool:
        """Make a connection for a viewer. Return True if the connection was made.

        In this case, the viewer has sent its request, but its stream hasn't begun. Otherwise, count the reason of the
        failure, and return False.
        """
        orders = self._orders
        loop = asyncio.get_running_loop()
        self.measurements.tries += 1
        family = socket.AF_INET6 if ":" in orders.address[0] else socket.AF_INET
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.setblocking(False)
            if orders.many_sources:
                # Let the kernel choose the source port only when it connects. If the kernel chose it at `bind`,
                # the port would have to be free for every destination.
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
        lost_in_all = self.measurements.lost
        if last and self._final >= 0:
            lost_in_all += sum(max(self._final - viewer.seq, 0) for viewer in self._viewers if viewer.start >= 0)
        measurements = replace(self.measurements, lost=lost_in_all, errors=Counter(self.measurements.errors))
        self._send(Report(measurements, dict(self._seconds), self._settled, self._final, last))
        # Seconds before the last full one have been reported and won't change any more.
        current = int(now - self._orders.origin)
        for number in [number for number in self._seconds if number < current - 1]:
            del self._seconds[number]


IP_BIND_ADDRESS_NO_PORT = 24
"""The number of a socket option, from linux/in.h. Python's module `socket` doesn't have it before Python 3.14."""


def main(orders: Orders, connection: Connection) -> None:
    """Run a worker process until it gets the command `Stop`, or the first process closes `connection` or ends.

    `connection`: the pipe to the first process. Commands come from it, and reports are sent to it.
    """
    # Ctrl+C at a terminal goes to every process. The first process decides what happens, and gives the command `Stop`.
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

    # The objects of viewers stay until the end. If the garbage collector went through them again and again, that would
    # cost more than all other work.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000)
    asyncio.get_running_loop().add_reader(connection.fileno(), listen)
    with suppress(BrokenPipeError):
        await worker.run()
